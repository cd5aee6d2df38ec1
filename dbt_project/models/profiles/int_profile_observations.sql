{{ config(materialized='view') }}

with

record_traits as (select * from {{ ref('int_record_traits') }}),

record_profiles as (select * from {{ ref('int_record_profiles') }}),

-- Whose observation it is follows the record, so a merge copies nothing and an unmerge
-- loses nothing.
final as (
    select
        record_profiles.profile_id,
        record_traits.path,
        record_traits.kind,
        record_traits.value,
        record_traits.occurred_at,
        record_traits.source_id,
        record_traits.source_priority,
        record_traits.record_id,
        record_traits.place,
        record_traits.sent_path,
        record_traits.is_withdrawn
    from record_traits
    inner join record_profiles on record_traits.record_id = record_profiles.record_id
)

select * from final

{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='identifier_id',
        full_refresh=false,
        on_schema_change='append_new_columns',
        meta={'touched': 'int_affected_members'},
    )
}}

-- What was held is compared before it is replaced.
-- depends_on: {{ ref('int_profile_touches') }}
-- depends_on: {{ ref('int_affected_members') }}
with

solved_identifiers as (select * from {{ ref('int_solved_identifiers') }}),

final as (
    select
        identifier_id,
        identifier_type,
        identifier_value,
        priority,
        representative_id,
        is_shared,
        profile_id,
        own_profile_id,
        profile_kind,
        profile_first_seen_at,
        first_record_id,
        first_seen_at,
        last_seen_at
    from solved_identifiers
)

select * from final

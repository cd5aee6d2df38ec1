-- depends_on: {{ ref('int_profile_touches') }}
with

identifiers as (select * from {{ ref('int_identifiers') }}),

resolved_identifiers as (select * from {{ ref('int_resolved_identifiers') }}),

profiles as (select * from {{ ref('int_profiles') }}),

final as (
    select
        identifiers.identifier_id,
        identifiers.identifier_type,
        identifiers.identifier_value,
        profiles.profile_id,
        resolved_identifiers.is_shared,
        cast(identifiers.priority as bigint) as priority,
        identifiers.first_seen_at,
        identifiers.last_seen_at,
        identifiers.first_record_id
    from identifiers
    inner join resolved_identifiers
        on identifiers.identifier_id = resolved_identifiers.identifier_id
    inner join profiles
        on resolved_identifiers.representative_id = profiles.representative_id
)

select * from final

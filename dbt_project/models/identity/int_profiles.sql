with

identifiers as (select * from {{ ref('int_identifiers') }}),

resolved_identifiers as (select * from {{ ref('int_resolved_identifiers') }}),

members as (
    select
        resolved_identifiers.representative_id,
        max(case when identifiers.is_anchor then 1 else 0 end) as has_anchor,
        min(identifiers.first_seen_at) as first_seen_at
    from resolved_identifiers
    inner join identifiers
        on resolved_identifiers.identifier_id = identifiers.identifier_id
    where not resolved_identifiers.is_shared
    group by resolved_identifiers.representative_id
),

final as (
    select
        {{ profile_id('identifiers.identifier_type', 'identifiers.identifier_value') }}
            as profile_id,
        members.representative_id,
        case when members.has_anchor = 1 then 'anchor' else 'shadow' end
            as profile_kind,
        identifiers.identifier_type as representative_type,
        identifiers.identifier_value as representative_value,
        members.first_seen_at
    from members
    inner join identifiers on members.representative_id = identifiers.identifier_id
)

select * from final

with

candidate_identifiers as (select * from {{ ref('int_candidate_identifiers') }}),

identifier_types as (select * from {{ ref('identifier_types') }}),

seen_types as (select distinct identifier_type from candidate_identifiers),

-- A type the seed does not list is a device when it is called something.id, else an
-- external id.
matched as (
    select
        seen_types.identifier_type,
        coalesce(
            identifier_types.identifier_type,
            case when seen_types.identifier_type like '%_.id' then '*.id' else '*' end
        ) as rule_type
    from seen_types
    left join identifier_types
        on seen_types.identifier_type = identifier_types.identifier_type
),

-- Rank orders the types from the strongest down, without ties.
final as (
    select
        matched.identifier_type,
        cast(
            row_number() over (
                order by identifier_types.priority asc, matched.identifier_type asc
            ) as bigint
        ) as type_rank,
        identifier_types.priority,
        identifier_types.max_per_profile,
        identifier_types.when_shared,
        identifier_types.is_anchor
    from matched
    inner join identifier_types on matched.rule_type = identifier_types.identifier_type
)

select * from final

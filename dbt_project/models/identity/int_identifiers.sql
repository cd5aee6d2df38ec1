with

set_identifiers as (select * from {{ ref('int_set_identifiers') }}),

identifier_sets as (select * from {{ ref('int_identifier_sets') }}),

identifier_types as (select * from {{ ref('identifier_types') }}),

seen as (
    select
        set_identifiers.identifier_id,
        min(set_identifiers.identifier_type) as identifier_type,
        min(set_identifiers.identifier_value) as identifier_value,
        min(identifier_sets.first_record_id) as first_record_id,
        min(identifier_sets.first_seen_at) as first_seen_at,
        max(identifier_sets.last_seen_at) as last_seen_at
    from set_identifiers
    inner join identifier_sets
        on set_identifiers.identifier_set_id = identifier_sets.identifier_set_id
    group by set_identifiers.identifier_id
),

-- A type the seed does not list is a device when it is called something.id, else an
-- external id.
seen_types as (
    select distinct
        seen.identifier_type,
        coalesce(
            identifier_types.identifier_type,
            case when seen.identifier_type like '%_.id' then '*.id' else '*' end
        ) as rule_type
    from seen
    left join identifier_types
        on seen.identifier_type = identifier_types.identifier_type
),

-- Rank orders the types from the strongest down, without ties.
ranked_types as (
    select
        seen_types.identifier_type,
        identifier_types.priority,
        identifier_types.max_per_profile,
        identifier_types.when_shared,
        identifier_types.is_anchor,
        cast(
            row_number() over (
                order by identifier_types.priority asc, seen_types.identifier_type asc
            ) as bigint
        ) as type_rank
    from seen_types
    inner join identifier_types
        on seen_types.rule_type = identifier_types.identifier_type
),

final as (
    select
        seen.identifier_id,
        seen.identifier_type,
        seen.identifier_value,
        ranked_types.priority,
        ranked_types.type_rank,
        ranked_types.max_per_profile,
        ranked_types.when_shared,
        ranked_types.is_anchor,
        seen.first_record_id,
        seen.first_seen_at,
        seen.last_seen_at
    from seen
    inner join ranked_types on seen.identifier_type = ranked_types.identifier_type
)

select * from final

with

changed_sets as (select * from {{ ref('int_changed_sets') }}),

identifier_types as (select * from {{ ref('identifier_types') }}),

-- Types seen before stay: the order of the others does not depend on them.
held_rules as (
    {{ held_columns('int_identifier_rules', {'identifier_type': dbt.type_string()}) }}
),

given_types as (
    select distinct item.item.type as given_type
    from changed_sets {{ each('changed_sets.identifiers', 'item') }}
),

seen_types as (
    select coalesce(identifier_types.same_as, given_types.given_type) as identifier_type
    from given_types
    left join identifier_types
        on given_types.given_type = identifier_types.identifier_type
    union
    select identifier_type from identifier_types
    where same_as is null and identifier_type not like '*%'
    union
    select identifier_type from held_rules
),

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
    where seen_types.identifier_type <> 'previous_id'
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

{{ config(materialized='components') }}

with

always_together as (select * from {{ ref('always_together') }}),

never_together as (select * from {{ ref('int_never_together') }}),

changed_members as (select * from {{ ref('int_changed_members') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

held_members as (
    {{ held_columns('int_set_members', {
        'identifier_set_id': 'bigint',
        'identifier_id': 'bigint',
        'identifier_type': dbt.type_string(),
        'source_id': dbt.type_string(),
        'is_previous': 'boolean',
        'centre_id': 'bigint',
    }) }}
),

-- The aliases of sources that are trusted to know that two accounts are one person.
trusted_aliases as (
    select
        held_members.identifier_set_id,
        held_members.identifier_id,
        held_members.identifier_type,
        held_members.centre_id
    from held_members
    inner join sources on held_members.source_id = sources.source_id
    left join (select distinct identifier_set_id from changed_members) as changed
        on held_members.identifier_set_id = changed.identifier_set_id
    where
        held_members.is_previous
        and sources.trusted_alias
        and changed.identifier_set_id is null
    union all
    select
        changed_members.identifier_set_id,
        changed_members.identifier_id,
        changed_members.identifier_type,
        changed_members.centre_id
    from changed_members
    inner join sources on changed_members.source_id = sources.source_id
    where
        changed_members.is_previous
        and sources.trusted_alias
        and not changed_members.is_former
),

centres as (
    select
        identifier_id,
        identifier_type
    from held_members
    where identifier_id in (select trusted_aliases.centre_id from trusted_aliases)
    union
    select
        identifier_id,
        identifier_type
    from changed_members
    where identifier_id in (select trusted_aliases.centre_id from trusted_aliases)
),

trusted_pairs as (
    select distinct
        least(trusted_aliases.identifier_id, centres.identifier_id) as node_a,
        greatest(trusted_aliases.identifier_id, centres.identifier_id) as node_b
    from trusted_aliases
    inner join centres
        on
            trusted_aliases.centre_id = centres.identifier_id
            and trusted_aliases.identifier_type = centres.identifier_type
            and trusted_aliases.identifier_id <> centres.identifier_id
),

final as (
    select
        {{ hash_bigint("identifier_type_a || ':' || identifier_value_a") }} as node_a,
        {{ hash_bigint("identifier_type_b || ':' || identifier_value_b") }} as node_b
    from always_together
    union all
    select
        trusted_pairs.node_a,
        trusted_pairs.node_b
    from trusted_pairs
    left join never_together
        on
            trusted_pairs.node_a = never_together.node_a
            and trusted_pairs.node_b = never_together.node_b
    where never_together.node_a is null
)

select * from final

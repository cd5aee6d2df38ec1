-- The edits of these rules are found by what is held here, so it is stored after all
-- that they change.
-- depends_on: {{ ref('int_set_members') }}
with

blocked_identifiers as (select * from {{ ref('blocked_identifiers') }}),

never_together as (select * from {{ ref('int_never_together') }}),

always_together as (select * from {{ ref('int_always_together') }}),

final as (
    select
        'blocked' as kind,
        identifier_type,
        match,
        blocked_value,
        cast(null as bigint) as node_a,
        cast(null as bigint) as node_b
    from blocked_identifiers
    union all
    select
        'never' as kind,
        null as identifier_type,
        null as match,
        null as blocked_value,
        node_a,
        node_b
    from never_together
    union all
    select
        'always' as kind,
        null as identifier_type,
        null as match,
        null as blocked_value,
        node_id as node_a,
        component_id as node_b
    from always_together
)

select * from final

with

identifiers as (select * from {{ ref('int_identifiers') }}),

components as (select * from {{ ref('int_identity_components') }}),

-- An identifier that was never seen with another is a component of its own.
labelled as (
    select
        identifiers.*,
        coalesce(components.component_id, identifiers.identifier_id) as component_id
    from identifiers
    left join components on identifiers.identifier_id = components.node_id
),

-- The representative: the best priority, then the first landed, then the value.
representatives as (
    select
        component_id,
        {{ min_by(
            'identifier_id',
            ['priority', 'first_record_id', 'identifier_type', 'identifier_value'],
        ) }} as representative_id
    from labelled
    group by component_id
),

final as (
    select
        labelled.identifier_id,
        representatives.representative_id,
        false as is_shared
    from labelled
    inner join representatives
        on labelled.component_id = representatives.component_id
)

select * from final

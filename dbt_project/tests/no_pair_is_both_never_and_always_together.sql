-- A pair that must never and must always be together is a contradiction somebody has to
-- solve; always wins until then.
with

never_together as (select * from {{ ref('int_never_together') }}),

always_together as (select * from {{ ref('int_always_together') }}),

final as (
    select
        never_together.node_a,
        never_together.node_b
    from never_together
    inner join always_together as a on never_together.node_a = a.node_id
    inner join always_together as b
        on never_together.node_b = b.node_id and a.component_id = b.component_id
)

select * from final

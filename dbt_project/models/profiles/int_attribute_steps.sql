with

statements as (select * from {{ ref('int_attribute_statements') }}),

-- Kept as a table, because each rule reads them several times.
final as (
    select
        profile_id,
        path,
        step_number,
        kind,
        value,
        occurred_at,
        source_id,
        source_priority,
        record_id,
        segment,
        rule
    from statements
    where not is_plain
)

select * from final

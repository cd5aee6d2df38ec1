{{ config(materialized='view') }}

with

changes as (
    select * from {{ ref('fct_attribute_changes') }}
    where changed_at <= {{ as_of() }}
),

last_steps as (
    select
        profile_id,
        path,
        max(step_number) as step_number
    from changes
    group by profile_id, path
),

-- The value that stands at as_of: the last change, unless it removed the attribute.
final as (
    select
        changes.profile_id,
        changes.path,
        changes.new_value as value,
        {{ json_text('changes.new_value', '$') }} as value_text,
        changes.changed_at,
        changes.source_id,
        changes.record_id
    from changes
    inner join last_steps
        on
            changes.profile_id = last_steps.profile_id
            and changes.path = last_steps.path
            and changes.step_number = last_steps.step_number
    where changes.new_value is not null
)

select * from final

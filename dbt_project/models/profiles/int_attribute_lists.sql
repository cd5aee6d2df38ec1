{{ config(materialized='view') }}

with

steps as (
    select * from {{ ref('int_attribute_steps') }}
    where rule = 'fold'
),

-- The list that scalars are appended to at this step: the last one of the segment.
with_base as (
    select
        *,
        max(case when kind = 'list' then step_number end) over (
            partition by profile_id, path, segment
            order by step_number asc
            rows between unbounded preceding and current row
        ) as base_step,
        max(case when kind = 'list' then step_number end) over (
            partition by profile_id, path, segment
            order by step_number asc
            rows between unbounded preceding and 1 preceding
        ) as previous_base_step,
        lag(case when kind = 'scalar' then value end) over (
            partition by profile_id, path, segment
            order by step_number asc
        ) as previous_scalar
    from steps
),

-- What each step brings. The first list takes the scalar before it in.
with_items as (
    select
        *,
        case
            when kind = 'scalar' then {{ list_of_one('value') }}
            when previous_base_step is null and previous_scalar is not null
                then {{ unique_items(
                    "(" ~ list_of_one('previous_scalar') ~ " || "
                    ~ json_elements('value') ~ ")"
                ) }}
            when kind = 'list' then {{ json_elements('value') }}
        end as items
    from with_base
),

with_base_items as (
    select
        *,
        first_value(items) over (
            partition by profile_id, path, segment, base_step
            order by step_number asc
            rows between unbounded preceding and unbounded following
        ) as base_items,
        row_number() over (
            partition by profile_id, path, segment, base_step, kind, value
            order by step_number asc
        ) as occurrence
    from with_items
),

-- A scalar that the list holds already changes nothing.
effective as (
    select *
    from with_base_items
    where
        base_step is null
        or kind = 'list'
        or (occurrence = 1 and not array_contains(base_items, value))
),

final as (
    select
        profile_id,
        path,
        step_number,
        case
            when kind = 'null' then cast(null as {{ dbt.type_string() }})
            when base_step is null then value
            else {{ json_list_of(
                "flatten(array_agg(items) over (
                    partition by profile_id, path, segment, base_step
                    order by step_number asc
                    rows between unbounded preceding and current row
                ))"
            ) }}
        end as new_value,
        occurred_at,
        source_id,
        record_id,
        rule
    from effective
)

select * from final

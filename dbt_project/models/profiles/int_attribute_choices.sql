{{ config(materialized='view') }}

with

steps as (
    select * from {{ ref('int_attribute_steps') }}
    where rule in ('first', 'source_priority', 'most_frequent', 'min', 'max')
),

-- A null wipes the slate: each attribute is cut into segments that begin with one.
segmented as (
    select
        *,
        sum(case when kind = 'null' then 1 else 0 end) over (
            partition by profile_id, path
            order by step_number asc
            rows between unbounded preceding and current row
        ) as segment,
        try_cast({{ json_text('value', '$') }} as decimal(38, 9)) as number_value
    from steps
),

-- Numbers come before texts; how often a value was met so far counts from one.
measured as (
    select
        *,
        dense_rank() over (
            partition by profile_id, path
            order by number_value asc nulls last, value asc nulls last
        ) as size_rank,
        row_number() over (
            partition by profile_id, path, segment, value
            order by step_number asc
        ) as times_met
    from segmented
),

-- Each rule as one number of which the smallest wins.
ranked as (
    select
        *,
        case
            when kind = 'null' then cast(null as bigint)
            when rule = 'first' then step_number
            when rule = 'source_priority' then source_priority
            when rule = 'most_frequent' then -times_met
            when rule = 'min' then size_rank
            when rule = 'max' then -size_rank
        end as choice_rank
    from measured
),

with_best as (
    select
        *,
        min(choice_rank) over (
            partition by profile_id, path, segment
            order by step_number asc
            rows between unbounded preceding and current row
        ) as best_rank
    from ranked
),

-- The steps at which the chosen value was said; among equals the latest is it.
final as (
    select
        profile_id,
        path,
        step_number,
        value as new_value,
        occurred_at,
        source_id,
        record_id,
        rule
    from with_best
    where kind = 'null' or choice_rank = best_rank
)

select * from final

{{ config(materialized='view') }}

with

steps as (
    select * from {{ ref('int_attribute_steps') }}
    where rule in ('first', 'source_priority', 'most_frequent', 'min', 'max')
),

-- Each rule as one number of which the smallest wins; a null has none. How often a
-- value was met so far counts from one; numbers come before texts.
ranked as (
    select
        *,
        case
            when kind = 'null' then cast(null as bigint)
            when rule = 'first' then step_number
            when rule = 'source_priority' then source_priority
            when rule = 'most_frequent'
                then -row_number() over (
                    partition by profile_id, path, segment, value
                    order by step_number asc
                )
            else case when rule = 'max' then -1 else 1 end * dense_rank() over (
                partition by profile_id, path
                order by
                    case when kind = 'null' then 1 else 0 end asc,
                    try_cast({{ json_text('value', '$') }} as decimal(38, 9))
                    asc nulls last,
                    value asc
            )
        end as choice_rank
    from steps
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

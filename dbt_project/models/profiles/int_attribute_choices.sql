{{ config(materialized='view') }}

with

steps as (
    select * from {{ ref('int_attribute_steps') }}
    where rule in ('first', 'source_priority', 'most_frequent', 'min', 'max')
),

-- How often a value was met so far counts from one.
counted as (
    select
        profile_id,
        path,
        step_number,
        -row_number() over (
            partition by profile_id, path, segment, value
            order by step_number asc
        ) as choice_rank
    from steps
    where rule = 'most_frequent' and kind <> 'null'
),

-- Numbers come before texts.
sized as (
    select
        profile_id,
        path,
        step_number,
        case when rule = 'max' then -1 else 1 end * dense_rank() over (
            partition by profile_id, path
            order by
                try_cast({{ json_text('value', '$') }} as decimal(38, 9))
                asc nulls last,
                value asc
        ) as choice_rank
    from steps
    where rule in ('min', 'max') and kind <> 'null'
),

-- Each rule as one number of which the smallest wins; a null has none.
ranked as (
    select
        steps.*,
        case
            when steps.kind = 'null' then cast(null as bigint)
            when steps.rule = 'first' then steps.step_number
            when steps.rule = 'source_priority' then steps.source_priority
            else coalesce(counted.choice_rank, sized.choice_rank)
        end as choice_rank
    from steps
    left join counted
        on
            steps.profile_id = counted.profile_id
            and steps.path = counted.path
            and steps.step_number = counted.step_number
    left join sized
        on
            steps.profile_id = sized.profile_id
            and steps.path = sized.path
            and steps.step_number = sized.step_number
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

{{ config(materialized='view') }}

with

steps as (
    select * from {{ ref('int_attribute_steps') }}
    where rule = 'union'
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
        case
            when kind = 'list' then {{ json_elements('value') }}
            when kind = 'scalar' then {{ list_of_one('value') }}
        end as items
    from steps
),

-- The step at which each item was met first; items of one step in text order.
first_meetings as (
    select
        segmented.profile_id,
        segmented.path,
        segmented.segment,
        item.item as met_item,
        min(segmented.step_number) as step_number
    from segmented {{ each('segmented.items', 'item') }}
    group by
        segmented.profile_id, segmented.path, segmented.segment, item.item
),

new_items as (
    select
        profile_id,
        path,
        segment,
        step_number,
        array_sort(array_agg(met_item)) as items
    from first_meetings
    group by profile_id, path, segment, step_number
),

grown as (
    select
        profile_id,
        path,
        step_number,
        {{ json_list_of(
            "flatten(array_agg(items) over (
                partition by profile_id, path, segment
                order by step_number asc
                rows between unbounded preceding and current row
            ))"
        ) }} as new_value
    from new_items
),

final as (
    select
        segmented.profile_id,
        segmented.path,
        segmented.step_number,
        grown.new_value,
        segmented.occurred_at,
        segmented.source_id,
        segmented.record_id,
        segmented.rule
    from segmented
    left join grown
        on
            segmented.profile_id = grown.profile_id
            and segmented.path = grown.path
            and segmented.step_number = grown.step_number
    where segmented.kind = 'null' or grown.step_number is not null
)

select * from final

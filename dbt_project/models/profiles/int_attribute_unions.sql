{{ config(materialized='view') }}

with

steps as (
    select * from {{ ref('int_attribute_steps') }}
    where rule = 'union'
),

opened as (
    select
        *,
        case
            when kind = 'list' then {{ json_elements('value') }}
            when kind = 'scalar' then {{ list_of_one('value') }}
        end as items
    from steps
),

-- The step at which each item was met first; items of one step in text order.
first_meetings as (
    select
        opened.profile_id,
        opened.path,
        opened.segment,
        item.item as met_item,
        min(opened.step_number) as step_number
    from opened {{ each('opened.items', 'item') }}
    group by
        opened.profile_id, opened.path, opened.segment, item.item
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
        opened.profile_id,
        opened.path,
        opened.step_number,
        grown.new_value,
        opened.occurred_at,
        opened.source_id,
        opened.record_id,
        opened.rule
    from opened
    left join grown
        on
            opened.profile_id = grown.profile_id
            and opened.path = grown.path
            and opened.step_number = grown.step_number
    where opened.kind = 'null' or grown.step_number is not null
)

select * from final

{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='profile_id',
        on_schema_change='fail',
        meta={'touched': 'int_touched_profiles'},
        post_hook="{{ remember({'int_profile_touches': '_touch_id', 'int_distinct_events': '_load_id', 'stg_landing__profiles': '_load_id'}) }}",
    )
}}
-- depends_on: {{ ref('int_touched_profiles') }}

with

statements as (select * from {{ ref('int_attribute_statements') }}),

lists as (select * from {{ ref('int_attribute_lists') }}),

unions as (select * from {{ ref('int_attribute_unions') }}),

choices as (select * from {{ ref('int_attribute_choices') }}),

-- Saying the same again says nothing.
plain_changes as (
    select
        profile_id,
        path,
        cast(step_number as bigint) as step_number,
        previous_value as old_value,
        value as new_value,
        occurred_at as changed_at,
        source_id,
        record_id,
        rule,
        lead(occurred_at) over ({{ as_said() }}) as superseded_at
    from statements
    where is_plain and value is distinct from previous_value
),

folded as (
    select * from lists
    union all
    select * from unions
    union all
    select * from choices
),

with_old_value as (
    select
        profile_id,
        path,
        step_number,
        lag(new_value) over (
            partition by profile_id, path
            order by step_number asc
        ) as old_value,
        new_value,
        occurred_at,
        source_id,
        record_id,
        rule
    from folded
),

folded_changes as (
    select
        profile_id,
        path,
        cast(step_number as bigint) as step_number,
        old_value,
        new_value,
        occurred_at as changed_at,
        source_id,
        record_id,
        rule,
        lead(occurred_at) over (
            partition by profile_id, path
            order by step_number asc
        ) as superseded_at
    from with_old_value
    where new_value is distinct from old_value
),

final as (
    select * from plain_changes
    union all
    select * from folded_changes
)

select * from final

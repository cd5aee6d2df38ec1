{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='identifier_set_id',
        full_refresh=false,
        on_schema_change='append_new_columns',
        meta={'touched': 'int_changed_sets', 'finds_edits_of': ['blocked_identifiers']},
        post_hook="{{ remember({
            'int_distinct_events': '_load_id',
            'stg_landing__profiles': '_load_id',
            'stg_landing__records': '_load_id',
        }) }}",
    )
}}

-- The last of the graph's stored tables: what it has seen is done with everywhere.
-- depends_on: {{ ref('int_distinct_events') }}
-- depends_on: {{ ref('stg_landing__profiles') }}
-- depends_on: {{ ref('stg_landing__records') }}
-- depends_on: {{ ref('int_applied_rules') }}
with

changed_sets as (select * from {{ ref('int_changed_sets') }}),

final as (
    select
        identifier_set_id,
        source_id,
        identifiers,
        first_record_id,
        first_seen_at,
        last_seen_at,
        earliest_record_id,
        latest_record_id
    from changed_sets
    where not is_gone
)

select * from final

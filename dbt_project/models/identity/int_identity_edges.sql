{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='node_a',
        full_refresh=false,
        on_schema_change='append_new_columns',
        meta={'touched': 'int_affected_members'},
    )
}}

-- depends_on: {{ ref('int_affected_members') }}
with

affected_edges as (select * from {{ ref('int_affected_edges') }}),

final as (
    select
        node_a,
        node_b,
        first_record_id,
        first_seen_at,
        earliest_record_id,
        earliest_source_id,
        last_seen_at,
        latest_record_id,
        latest_source_id
    from affected_edges
    where is_edge
)

select * from final

{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='identifier_id',
        full_refresh=false,
        on_schema_change='append_new_columns',
        meta={'touched': 'int_hub_changes'},
    )
}}

-- What to solve anew is found by what is held of the hubs, so they are stored after
-- it was solved.
-- depends_on: {{ ref('int_resolved_identifiers') }}
-- depends_on: {{ ref('int_set_profiles') }}
-- depends_on: {{ ref('int_timed_records') }}
-- depends_on: {{ ref('int_identity_edges') }}
-- depends_on: {{ ref('fct_identity_demotions') }}
with

hub_changes as (select * from {{ ref('int_hub_changes') }}),

final as (
    select
        identifier_id,
        degree,
        strong_count,
        is_hub
    from hub_changes
    where degree > {{ var('hub_degree') }}
)

select * from final

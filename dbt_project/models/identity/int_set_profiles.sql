{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='identifier_set_id',
        full_refresh=false,
        on_schema_change='append_new_columns',
        meta={'touched': 'int_affected_sets'},
    )
}}

-- What was held is compared before it is replaced.
-- depends_on: {{ ref('int_profile_touches') }}
-- depends_on: {{ ref('int_affected_sets') }}
with

solved_sets as (select * from {{ ref('int_solved_sets') }}),

final as (select * from solved_sets)

select * from final

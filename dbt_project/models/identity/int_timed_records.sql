{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='identifier_id',
        full_refresh=false,
        on_schema_change='append_new_columns',
        meta={'touched': 'int_affected_members'},
    )
}}

-- What was held is compared before it is replaced.
-- depends_on: {{ ref('int_profile_touches') }}
-- depends_on: {{ ref('int_affected_members') }}
with

solved_records as (select * from {{ ref('int_solved_records') }}),

final as (select * from solved_records)

select * from final

{{ config(materialized='components') }}

with

edges as (select * from {{ ref('int_identity_edges') }})

select
    strong_id as node_a,
    weak_id as node_b
from edges

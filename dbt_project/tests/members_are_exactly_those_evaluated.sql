-- Open stays and evaluated audiences must be the same people; a difference either way is a row.
with

members as (
    select
        audience_name,
        profile_id,
        instance_key
    from {{ ref('fct_audience_members') }}
),

evaluated as (
    select
        audience_name,
        profile_id,
        instance_key
    from {{ ref('int_audiences_evaluated') }}
)

(select * from members except select * from evaluated)
union all
(select * from evaluated except select * from members)

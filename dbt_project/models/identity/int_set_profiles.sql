-- depends_on: {{ ref('int_profile_touches') }}
with

solved_sets as (select * from {{ ref('int_solved_sets') }}),

final as (select * from solved_sets)

select * from final

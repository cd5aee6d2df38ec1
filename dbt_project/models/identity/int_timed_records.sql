-- depends_on: {{ ref('int_profile_touches') }}
with

solved_records as (select * from {{ ref('int_solved_records') }}),

final as (select * from solved_records)

select * from final

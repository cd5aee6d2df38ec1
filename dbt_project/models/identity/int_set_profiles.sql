with

set_identifiers as (select * from {{ ref('int_set_identifiers') }}),

identifiers as (select * from {{ ref('int_identifiers') }}),

dim_identifiers as (select * from {{ ref('dim_identifiers') }}),

strongest as (
    select
        set_identifiers.identifier_set_id,
        {{ min_by(
            'identifiers.identifier_id',
            ['identifiers.type_rank', 'identifiers.identifier_id'],
        ) }} as identifier_id
    from set_identifiers
    inner join identifiers
        on set_identifiers.identifier_id = identifiers.identifier_id
    group by set_identifiers.identifier_set_id
),

final as (
    select
        strongest.identifier_set_id,
        dim_identifiers.profile_id
    from strongest
    inner join dim_identifiers
        on strongest.identifier_id = dim_identifiers.identifier_id
)

select * from final

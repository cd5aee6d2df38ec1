with

identifiers as (
    select * from {{ ref('dim_identifiers') }}
    where identifier_type in ('user_id', 'email', 'phone')
),

-- Of several identifiers of one type the one seen latest is the person's; one that
-- others use as well comes last.
ranked as (
    select
        profile_id,
        identifier_type,
        identifier_value,
        row_number() over (
            partition by profile_id, identifier_type
            order by
                is_shared asc,
                last_seen_at desc,
                first_seen_at desc,
                identifier_value asc
        ) as choice
    from identifiers
),

final as (
    select
        profile_id,
        max(case when identifier_type = 'user_id' then identifier_value end) as user_id,
        max(case when identifier_type = 'email' then identifier_value end) as email,
        max(case when identifier_type = 'phone' then identifier_value end) as phone
    from ranked
    where choice = 1
    group by profile_id
)

select * from final

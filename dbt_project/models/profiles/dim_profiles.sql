with

profiles as (select * from {{ ref('int_profiles') }}),

contacts as (select * from {{ ref('int_profile_contacts') }}),

attributes as (select * from {{ ref('int_profile_attributes') }}),

behaviour as (select * from {{ ref('int_profile_behaviour') }}),

orders as (
    select * from {{ ref('fct_orders') }}
    where is_purchase and ordered_at <= {{ as_of() }}
),

-- Static traits: a new one is one line here and one in the yml.
static_traits as (
    select
        profile_id,
        max(case when path = 'first_name' then value_text end) as first_name,
        max(case when path = 'last_name' then value_text end) as last_name,
        max(case when path = 'name' then value_text end) as name,
        max(case when path = 'company' then value_text end) as company,
        max(case when path = 'country' then value_text end) as country,
        max(case when path = 'region' then value_text end) as region,
        max(case when path = 'city' then value_text end) as city,
        max(case when path = 'postal_code' then value_text end) as postal_code,
        max(case when path = 'language' then value_text end) as language,
        max(case when path = 'gender' then value_text end) as gender,
        max(case when path = 'birth_date' then value_text end) as birth_date
    from attributes
    group by profile_id
),

-- Transactional traits; money is in fct_profile_revenue, per currency.
order_counts as (
    select
        profile_id,
        count(*) as order_count,
        count(case when ordered_at > {{ as_of() }} - interval 365 day then 1 end)
            as order_count_365d,
        min(ordered_at) as first_order_at,
        max(ordered_at) as last_order_at
    from orders
    group by profile_id
),

final as (
    select
        profiles.profile_id,
        profiles.profile_kind,
        contacts.user_id,
        contacts.email,
        contacts.phone,
        static_traits.first_name,
        static_traits.last_name,
        coalesce(
            static_traits.name,
            nullif(
                trim(
                    coalesce(static_traits.first_name, '') || ' '
                    || coalesce(static_traits.last_name, '')
                ),
                ''
            )
        ) as name,
        static_traits.company,
        static_traits.country,
        static_traits.region,
        static_traits.city,
        static_traits.postal_code,
        static_traits.language,
        static_traits.gender,
        try_cast(static_traits.birth_date as date) as birth_date,
        coalesce(contacts.email is not null, false) as reachable_by_email,
        coalesce(contacts.phone is not null, false) as reachable_by_phone,
        profiles.first_seen_at,
        behaviour.last_event_at as last_seen_at,
        coalesce(behaviour.event_count, 0) as event_count,
        coalesce(behaviour.event_count_7d, 0) as event_count_7d,
        coalesce(behaviour.event_count_30d, 0) as event_count_30d,
        coalesce(behaviour.event_count_90d, 0) as event_count_90d,
        coalesce(behaviour.session_count, 0) as session_count,
        coalesce(behaviour.session_count_7d, 0) as session_count_7d,
        coalesce(behaviour.session_count_30d, 0) as session_count_30d,
        coalesce(behaviour.session_count_90d, 0) as session_count_90d,
        behaviour.favourite_category,
        coalesce(order_counts.order_count, 0) as order_count,
        coalesce(order_counts.order_count_365d, 0) as order_count_365d,
        order_counts.first_order_at,
        order_counts.last_order_at
    from profiles
    left join contacts on profiles.profile_id = contacts.profile_id
    left join static_traits on profiles.profile_id = static_traits.profile_id
    left join behaviour on profiles.profile_id = behaviour.profile_id
    left join order_counts on profiles.profile_id = order_counts.profile_id
)

select * from final

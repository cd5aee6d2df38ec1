-- A trait is one line here, in the step of its kind, and its column in the yml.
with

profiles as (
    select
        profile_id,
        profile_kind,
        first_seen_at
    from {{ ref('int_profiles') }}
),

contacts as (select * from {{ ref('int_profile_contacts') }}),

attributes as (select * from {{ ref('int_profile_attributes') }}),

-- Behavioural traits: what was done.
behaviour as (select * from {{ ref('int_profile_behaviour') }}),

revenue as (select * from {{ ref('fct_profile_revenue') }}),

orders as (
    select * from {{ ref('fct_orders') }}
    where is_purchase and ordered_at <= {{ as_of() }}
),

reachability as (
    select
        profiles.profile_id,
        contacts.user_id,
        contacts.email,
        contacts.phone,
        contacts.email is not null as reachable_by_email,
        contacts.phone is not null as reachable_by_phone,
        contacts.email is null and contacts.phone is null as reachable_by_device_only
    from profiles
    left join contacts on profiles.profile_id = contacts.profile_id
),

-- Static traits: what was told.
static_traits as (
    select
        profile_id,
        max(case when path = 'first_name' then value_text end) as first_name,
        max(case when path = 'last_name' then value_text end) as last_name,
        coalesce(
            max(case when path = 'name' then value_text end),
            nullif(
                trim(
                    max(case when path = 'first_name' then value_text else '' end)
                    || ' '
                    || max(case when path = 'last_name' then value_text else '' end)
                ),
                ''
            )
        ) as name,
        max(case when path = 'company' then value_text end) as company,
        max(case when path = 'country' then value_text end) as country,
        max(case when path = 'region' then value_text end) as region,
        max(case when path = 'city' then value_text end) as city,
        max(case when path = 'postal_code' then value_text end) as postal_code,
        max(case when path = 'language' then value_text end) as language,
        max(case when path = 'gender' then value_text end) as gender,
        try_cast(max(case when path = 'birth_date' then value_text end) as date)
            as birth_date
    from attributes
    group by profile_id
),

-- Transactional traits: what was bought; zeros for whoever bought nothing.
order_traits as (
    select
        profiles.profile_id,
        count(orders.order_id) as order_count,
        {{ total_within(1, 'orders.ordered_at', 365) }} as order_count_365d,
        min(orders.ordered_at) as first_order_at,
        max(orders.ordered_at) as last_order_at,
        {{ whole_days('max(orders.ordered_at)', as_of()) }} as days_since_last_order,
        {{ ratio(
            whole_days('min(orders.ordered_at)', 'max(orders.ordered_at)'),
            'count(orders.order_id) - 1',
            2,
        ) }} as days_between_orders
    from profiles
    left join orders on profiles.profile_id = orders.profile_id
    group by profiles.profile_id
),

-- Money is compared within its currency only: with what its buyers spend on average.
compared_revenue as (
    select
        *,
        {{ ratio(
            'revenue * count(*) over (partition by currency)',
            'sum(revenue) over (partition by currency)',
            2,
        ) }} as spend_to_average,
        row_number() over (
            partition by profile_id
            order by order_count desc, revenue desc, currency asc
        ) as choice
    from revenue
),

-- The main currency is the one of most orders.
money_traits as (
    select
        profile_id,
        max(case when choice = 1 then currency end) as main_currency,
        max(case when choice = 1 then revenue end) as revenue_in_main_currency,
        max(case when choice = 1 then refunded end) as refunded_in_main_currency,
        max(case when choice = 1 then average_order_value end)
            as average_order_value_in_main_currency,
        {{ json_list_of(
            "array_sort(array_agg('{\"currency\":\"' || currency || '\",\"revenue\":' "
            ~ "|| cast(revenue as " ~ dbt.type_string() ~ ") || '}'))"
        ) }} as revenue_by_currency,
        max(spend_to_average) as spend_to_average
    from compared_revenue
    group by profile_id
),

traits as (
    select *
    from profiles
    left join reachability using (profile_id)
    left join static_traits using (profile_id)
    left join behaviour using (profile_id)
    left join order_traits using (profile_id)
    left join money_traits using (profile_id)
),

-- Recency, frequency and monetary value of a buyer, each from 1 (weak) to 3 (strong).
with_scores as (
    select
        *,
        case
            when order_count = 0 then null
            when days_since_last_order <= 30 then 3
            when days_since_last_order <= 90 then 2
            else 1
        end as recency_score,
        case
            when order_count = 0 then null
            when order_count_365d >= 5 then 3
            when order_count_365d >= 2 then 2
            else 1
        end as frequency_score,
        case
            when order_count = 0 then null
            when spend_to_average >= 1.5 then 3
            when spend_to_average >= 0.75 then 2
            else 1
        end as monetary_score
    from traits
),

-- Inferred traits: rules in plain sight, over the traits above.
final as (
    select
        *,
        case
            when order_count = 0 then 'no_orders'
            when recency_score = 3 and frequency_score = 3 then 'champion'
            when recency_score >= 2 and frequency_score >= 2 then 'loyal'
            when recency_score >= 2 and monetary_score = 3 then 'big_spender'
            when recency_score = 3 and order_count = 1 then 'new'
            when recency_score >= 2 then 'occasional'
            when frequency_score >= 2 or monetary_score = 3 then 'at_risk'
            else 'lost'
        end as rfm_segment,
        cast(
            case
                when days_since_last_seen < 7 then 40
                when days_since_last_seen < 30 then 25
                when days_since_last_seen < 90 then 10
                else 0
            end
            + least(30, 3 * session_count_30d)
            + least(30, 10 * order_count_365d) as bigint
        ) as engagement_score,
        case
            when order_count = 0 then null
            when
                days_since_last_order
                > greatest(30, coalesce(2 * days_between_orders, 180))
                then 'high'
            when
                days_since_last_order
                > greatest(15, coalesce(days_between_orders, 90))
                then 'medium'
            else 'low'
        end as churn_risk
    from with_scores
)

select * from final

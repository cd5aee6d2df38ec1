{{ config(materialized='view') }}

-- What is not as it was in what became of it: orders, campaigns, audiences, deliveries.
with

order_arithmetic as (select * from {{ ref('obs_order_arithmetic') }}),

marketing_days as (select * from {{ ref('fct_marketing_daily') }}),

landed as (select * from {{ ref('stg_landing__events') }}),

memberships as (select * from {{ ref('fct_audience_membership') }}),

attempts as (select * from {{ ref('fct_sync_attempts') }}),

decisions as (select * from {{ ref('fct_journey_decisions') }}),

candidates as (select * from {{ ref('int_journey_candidates') }}),

contradicted_orders as (
    select
        'order_arithmetic' as finding,
        coalesce(source_id, 'millrace') as source_id,
        problem as place,
        cast(max(last_event_at) as date) as found_date,
        cast(count(*) as {{ dbt.type_string() }}) || ' orders, such as '
        || max(order_id) as observed,
        'amounts that add up' as expected,
        'See observability.obs_order_arithmetic, and whom each amount was believed of:'
        || ' orders.fct_order_evidence. Correct the sender, or the mapping in sources/'
        || coalesce(source_id, '') || '.yml' as remedy
    from order_arithmetic
    where
        last_event_at >= {{ as_of() }} - interval '48' hour
        and last_event_at <= {{ as_of() }}
    group by source_id, problem
),

campaigns as (
    select
        campaign,
        currency,
        min(channel) as channel,
        sum(spend) as spend,
        sum(clicks) as click_count,
        sum(sum(session_count)) over (partition by campaign) as session_count,
        max(case when spend > 0 then activity_date end) as last_date
    from marketing_days
    where
        activity_date >= {{ days_before(as_of(), var('spend_days')) }}
        and activity_date < {{ days_before(as_of(), 0) }}
    group by campaign, currency
),

-- Whoever clicks arrives: if nobody did, they are not recognised.
spend_without_visits as (
    select
        'spend_without_sessions' as finding,
        'millrace' as source_id,
        channel || ': ' || campaign as place,
        last_date as found_date,
        cast(spend as {{ dbt.type_string() }}) || ' ' || currency || ' spent, '
        || cast(click_count as {{ dbt.type_string() }}) || ' clicks, no visit'
            as observed,
        'a visit for many a click' as expected,
        'Do the links of the ad carry utm_campaign as the platform writes it, or its'
        || ' click id? Is the landing page tagged? Compare marketing.fct_touchpoints'
            as remedy
    from campaigns
    where
        spend > 0
        and click_count >= {{ var('spend_clicks_from') }}
        and session_count = 0
),

audience_sizes as (
    select
        audience_name,
        count(case when exited_at is null then 1 end) as member_count,
        count(
            case when exited_at > {{ as_of() }} - interval '24' hour then 1 end
        ) as exit_count
    from memberships
    group by audience_name
),

shrunk_audiences as (
    select
        case when member_count = 0 then 'audience_emptied' else 'audience_shrank' end
            as finding,
        'millrace' as source_id,
        audience_name as place,
        cast({{ as_of() }} as date) as found_date,
        cast(member_count as {{ dbt.type_string() }}) || ' members' as observed,
        cast(member_count + exit_count as {{ dbt.type_string() }}) || ' a day ago'
            as expected,
        'Ask for somebody who left: python -m orchestration.audience why '
        || audience_name || ' <identifier>; its syncs wait for approval' as remedy
    from audience_sizes
    where
        member_count + exit_count >= {{ var('audience_judged_from') }}
        and 100.0 * exit_count
        > {{ var('audience_shrunk_percent') }} * (member_count + exit_count)
),

attempted as (
    select
        sync_name,
        account,
        count(*) as attempt_count,
        count(case when outcome = 'rejected' then 1 end) as rejected_count,
        count(case when outcome in ('retry', 'unknown') then 1 end) as failed_count
    from attempts
    where attempted_at >= {{ as_of() }} - interval '24' hour
    group by sync_name, account
),

judged_destinations as (
    select
        *,
        rejected_count >= {{ var('refusals_from') }}
        and 100 * rejected_count
        >= {{ var('refusals_percent') }} * attempt_count as is_rejecting,
        failed_count >= {{ var('refusals_from') }}
        and 2 * failed_count >= attempt_count as is_failing
    from attempted
),

refusing_destinations as (
    select
        case
            when is_rejecting then 'destination_rejects' else 'destination_fails'
        end as finding,
        coalesce(account, 'millrace') as source_id,
        sync_name as place,
        cast({{ as_of() }} as date) as found_date,
        cast(rejected_count as {{ dbt.type_string() }}) || ' rejected and '
        || cast(failed_count as {{ dbt.type_string() }}) || ' failed of '
        || cast(attempt_count as {{ dbt.type_string() }}) as observed,
        'hardly any' as expected,
        'Read why in the details: python -m orchestration.why delivery '
        || sync_name as remedy
    from judged_destinations
    where is_rejecting or is_failing
),

untold_journeys as (
    select
        'journey_untold' as finding,
        'millrace' as source_id,
        decisions.journey as place,
        cast({{ as_of() }} as date) as found_date,
        cast(count(*) as {{ dbt.type_string() }})
        || ' entered and were not told for over an hour' as observed,
        'told within minutes' as expected,
        'Are the sensors relay_one and relay_two on (relayed journeys), is publish'
        || ' run? python -m orchestration.why journey ' || decisions.journey as remedy
    from decisions
    inner join candidates
        on
            decisions.journey = candidates.journey
            and decisions.candidate_id = candidates.candidate_id
    where
        decisions.is_latest
        and decisions.outcome = 'entered'
        and not candidates.is_delivered
        and decisions.decided_at < {{ as_of() }} - interval '1' hour
    group by decisions.journey
),

relayed as (
    select
        decisions.journey,
        count(*) as trigger_count,
        count(
            case
                when
                    decisions.decided_at
                    > landed.received_at
                    + interval '{{ var("relay_patience_minutes") }}' minute
                    then 1
            end
        ) as late_count
    from decisions
    inner join landed
        on
            decisions.candidate_id
            = landed.name || ':' || landed.source_id || '|' || landed.event_id
    where
        landed.shape = 'trigger'
        and landed.received_at >= {{ as_of() }} - interval '24' hour
        and decisions.decision_number = 1
    group by decisions.journey
),

-- Whom the relay leaves to the refresh are few; when most wait for it, nobody relays.
relayed_late as (
    select
        'relay_stuck' as finding,
        'millrace' as source_id,
        journey as place,
        cast({{ as_of() }} as date) as found_date,
        cast(late_count as {{ dbt.type_string() }}) || ' of '
        || cast(trigger_count as {{ dbt.type_string() }})
        || ' triggers waited for the refresh' as observed,
        'decided within seconds' as expected,
        'Are the sensors relay_one and relay_two on, what do their ticks say, and who'
        || ' holds data/locks/relay.lock? The refresh has decided about those that'
        || ' waited' as remedy
    from relayed
    where
        2 * late_count > trigger_count
        and trigger_count >= {{ var('relay_judged_from') }}
),

final as (
    select * from contradicted_orders
    union all
    select * from spend_without_visits
    union all
    select * from shrunk_audiences
    union all
    select * from refusing_destinations
    union all
    select * from untold_journeys
    union all
    select * from relayed_late
)

select * from final

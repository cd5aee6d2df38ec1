-- The balance of journeys, with no tolerance. Whoever asks has exactly one decision
-- that counts; the funnel counts each once; nobody enters twice for one occasion.
with

journeys as (select * from {{ ref('stg_landing__journeys') }}),

emissions as (select * from {{ ref('fct_trigger_emissions') }}),

memberships as (select * from {{ ref('fct_audience_membership') }}),

decisions as (select * from {{ ref('fct_journey_decisions') }}),

funnel as (select * from {{ ref('obs_trigger_funnel') }}),

asking as (
    select
        journeys.journey,
        count(*) as row_count
    from journeys
    inner join emissions
        on
            journeys.entry_kind = 'trigger'
            and journeys.entry_name = emissions.trigger_name
    group by journeys.journey
    union all
    select
        journeys.journey,
        count(*) as row_count
    from journeys
    inner join memberships
        on
            journeys.entry_kind = 'audience'
            and journeys.entry_name = memberships.audience_name
    group by journeys.journey
),

answered as (
    select
        journey,
        count(*) as row_count,
        count(distinct candidate_id) as candidate_count
    from decisions
    where is_latest
    group by journey
),

counted as (
    select
        journey,
        sum(emitted_count) as emitted_count,
        sum(entered_count + waiting_count + turned_away_count) as outcome_count
    from funnel
    where journey is not null
    group by journey
),

unbalanced as (
    select
        counted.journey,
        'the funnel has ' || cast(counted.emitted_count as {{ dbt.type_string() }})
        || ' candidates and '
        || cast(counted.outcome_count as {{ dbt.type_string() }})
        || ' outcomes, there are '
        || cast(coalesce(answered.row_count, 0) as {{ dbt.type_string() }})
        || ' decisions' as problem
    from counted
    left join answered on counted.journey = answered.journey
    where
        counted.emitted_count <> counted.outcome_count
        or counted.emitted_count <> coalesce(answered.row_count, 0)
        or answered.row_count <> answered.candidate_count
),

-- Answers outlive their questions, so there may be more of them.
unanswered as (
    select
        asking.journey,
        'more ask than are answered' as problem
    from asking
    left join answered on asking.journey = answered.journey
    where asking.row_count > coalesce(answered.row_count, 0)
),

entered_twice as (
    select
        journey,
        'entered twice for ' || instance_key as problem
    from decisions
    where outcome = 'entered'
    group by journey, decided_profile_id, instance_key
    having count(*) > 1
    union all
    select
        journey,
        'told twice of ' || instance_key as problem
    from decisions
    where outcome = 'entered'
    group by journey, recipient_key, instance_key
    having count(*) > 1
),

final as (
    select * from unbalanced
    union all
    select * from unanswered
    union all
    select * from entered_twice
)

select * from final

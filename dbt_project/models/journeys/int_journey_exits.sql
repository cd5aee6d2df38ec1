-- What ends a journey for a person: something they did, an audience they entered, an
-- audience they left. Whether that came before or after the release is asked elsewhere.
with

journeys as (select * from {{ ref('stg_landing__journeys') }}),

decisions as (
    select * from {{ ref('stg_landing__journey_decisions') }}
    where outcome = 'entered'
),

profile_ids as (select * from {{ ref('dim_profile_ids') }}),

events as (select * from {{ ref('fct_profile_events') }}),

memberships as (select * from {{ ref('fct_audience_membership') }}),

-- Whoever entered is followed for ever, everybody else for as long as they may wait.
people as (
    select
        decisions.journey,
        coalesce(profile_ids.profile_id, decisions.recipient) as profile_id,
        min(decisions.as_of) as entered_at
    from decisions
    left join profile_ids on decisions.recipient = profile_ids.any_profile_id
    group by
        decisions.journey, coalesce(profile_ids.profile_id, decisions.recipient)
),

exit_events as (
    select
        journeys.journey,
        exit_event.exit_event
    from journeys {{ each('journeys.exit_events', 'exit_event') }}
),

exit_enters as (
    select
        journeys.journey,
        exit_enter.exit_enter
    from journeys {{ each('journeys.exit_enters', 'exit_enter') }}
),

exit_leaves as (
    select
        journeys.journey,
        exit_leave.exit_leave
    from journeys {{ each('journeys.exit_leaves', 'exit_leave') }}
),

happened as (
    select
        exit_events.journey,
        events.profile_id,
        events.occurred_at as happened_at,
        events.canonical_name as reason
    from events
    inner join exit_events on events.canonical_name = exit_events.exit_event
    union all
    select
        exit_enters.journey,
        memberships.profile_id,
        memberships.entered_at as happened_at,
        'entered ' || memberships.audience_name as reason
    from memberships
    inner join exit_enters on memberships.audience_name = exit_enters.exit_enter
    union all
    select
        exit_leaves.journey,
        memberships.profile_id,
        memberships.exited_at as happened_at,
        'left ' || memberships.audience_name as reason
    from memberships
    inner join exit_leaves on memberships.audience_name = exit_leaves.exit_leave
    where memberships.exited_at is not null
),

final as (
    select
        happened.journey,
        happened.profile_id,
        happened.happened_at,
        min(happened.reason) as reason
    from happened
    inner join journeys on happened.journey = journeys.journey
    left join people
        on
            happened.journey = people.journey
            and happened.profile_id = people.profile_id
    where
        happened.happened_at <= {{ as_of() }}
        and (
            happened.happened_at > people.entered_at
            or {{ whole_minutes('happened.happened_at', as_of()) }}
            <= journeys.max_age_minutes
        )
    group by happened.journey, happened.profile_id, happened.happened_at
)

select * from final

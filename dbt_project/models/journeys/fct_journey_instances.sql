with

decisions as (
    select * from {{ ref('fct_journey_decisions') }}
    where outcome = 'entered'
),

latest as (
    select * from {{ ref('fct_journey_decisions') }}
    where is_latest
),

exits as (select * from {{ ref('int_journey_exits') }}),

journeys as (
    select
        journey,
        exit_after_minutes,
        exit_after_minutes * interval '1' minute as lasting
    from {{ ref('stg_landing__journeys') }}
),

first_exits as (
    select
        decisions.journey,
        decisions.candidate_id,
        min(exits.happened_at) as exited_at,
        min_by(exits.reason, exits.happened_at) as exit_reason
    from decisions
    inner join exits
        on
            decisions.journey = exits.journey
            and decisions.profile_id = exits.profile_id
            and decisions.decided_at < exits.happened_at
    group by decisions.journey, decisions.candidate_id
),

-- What ends first: an exit, the time, or being called back before the release.
final as (
    select
        decisions.journey,
        decisions.profile_id,
        decisions.decided_profile_id as entered_profile_id,
        decisions.instance_key,
        decisions.recipient_key,
        decisions.candidate_id,
        decisions.entry_name,
        decisions.emitted_at,
        decisions.decided_at as entered_at,
        case
            when latest.outcome <> 'entered' then latest.decided_at
            when
                first_exits.exited_at is not null
                and {{ whole_minutes('decisions.decided_at', 'first_exits.exited_at') }}
                < journeys.exit_after_minutes
                then first_exits.exited_at
            when
                {{ whole_minutes('decisions.decided_at', as_of()) }}
                >= journeys.exit_after_minutes
                then decisions.decided_at + journeys.lasting
        end as exited_at,
        case
            when latest.outcome <> 'entered' then latest.outcome
            when
                first_exits.exited_at is not null
                and {{ whole_minutes('decisions.decided_at', 'first_exits.exited_at') }}
                < journeys.exit_after_minutes
                then first_exits.exit_reason
            when
                {{ whole_minutes('decisions.decided_at', as_of()) }}
                >= journeys.exit_after_minutes
                then 'timeout'
        end as exit_reason
    from decisions
    inner join latest
        on
            decisions.journey = latest.journey
            and decisions.candidate_id = latest.candidate_id
    left join journeys on decisions.journey = journeys.journey
    left join first_exits
        on
            decisions.journey = first_exits.journey
            and decisions.candidate_id = first_exits.candidate_id
)

select * from final

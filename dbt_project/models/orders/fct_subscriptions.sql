{{ config(materialized='view') }}

with

steps as (
    select * from {{ ref('fct_subscription_evidence') }}
    where place is not null
),

last_places as (
    select
        subscription_id,
        max(place) as place,
        max(case when outcome = 'changed' then place end) as state_place
    from steps
    group by subscription_id
),

-- What the evidence adds up to, whenever one looks. A price never parts from its
-- currency.
folded as (
    select
        steps.subscription_id,
        max(case when steps.is_owner then steps.profile_id end) as profile_id,
        max(case when steps.place = last_places.place then steps.state_after end)
            as state,
        max_by(steps.source_status, steps.place) filter (
            where steps.source_status is not null
        ) as source_status,
        max_by(steps.plan, steps.place) filter (where steps.plan is not null) as plan,
        max_by(steps.price, steps.place) filter (where steps.price is not null)
            as price,
        max_by(steps.currency, steps.place) filter (where steps.price is not null)
            as currency,
        min(steps.started_at) as started_at,
        max(
            case
                when steps.outcome = 'changed' and steps.state_after = 'cancelled'
                    then steps.occurred_at
            end
        ) as cancelled_at,
        max(
            case
                when steps.place = last_places.place then steps.contract_ends_at_after
            end
        ) as contract_ends_at,
        max(
            case
                when
                    steps.place = last_places.place
                    and steps.is_renewal_confirmed_after
                    then 1
                else 0
            end
        ) = 1 as is_renewal_confirmed,
        max(case when steps.place = last_places.state_place then steps.occurred_at end)
            as state_changed_at,
        max_by(steps.source_id, steps.place) as source_id,
        max(steps.occurred_at) as last_evidence_at,
        count(*) as evidence_count
    from steps
    inner join last_places on steps.subscription_id = last_places.subscription_id
    group by steps.subscription_id
),

state_records as (
    select
        steps.subscription_id,
        steps.record_id
    from steps
    inner join last_places
        on
            steps.subscription_id = last_places.subscription_id
            and steps.place = last_places.state_place
),

-- What ages: how long the contract still runs, and whether it is over. One that was
-- confirmed to go on is not over at its end.
final as (
    select
        folded.subscription_id,
        folded.profile_id,
        folded.state,
        folded.source_status,
        folded.plan,
        folded.price,
        case when folded.price is not null then folded.currency end as currency,
        folded.started_at,
        case when folded.state in ('cancelled', 'ended') then folded.cancelled_at end
            as cancelled_at,
        folded.contract_ends_at,
        folded.is_renewal_confirmed,
        folded.state_changed_at,
        state_records.record_id as state_record_id,
        folded.source_id,
        folded.last_evidence_at,
        folded.evidence_count,
        {{ days_between(as_of(), 'folded.contract_ends_at') }} as days_to_contract_end,
        folded.state = 'ended'
        or (
            folded.state <> 'unknown'
            and not folded.is_renewal_confirmed
            and coalesce(
                folded.contract_ends_at <= {{ as_of() }},
                folded.state = 'cancelled'
            )
        ) as is_ended
    from folded
    inner join state_records
        on folded.subscription_id = state_records.subscription_id
)

select * from final

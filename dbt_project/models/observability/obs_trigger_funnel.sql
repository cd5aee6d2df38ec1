-- From the trigger to the delivery, by the day it came up: whoever asked is in exactly
-- one of entered, waiting and turned away. A trigger that no journey listens to stands
-- with no journey.
with

journeys as (select * from {{ ref('stg_landing__journeys') }}),

candidates as (select * from {{ ref('int_journey_candidates') }}),

emissions as (select * from {{ ref('fct_trigger_emissions') }}),

decisions as (
    select * from {{ ref('fct_journey_decisions') }}
    where is_latest
),

unheard as (
    select
        emissions.trigger_name,
        emissions.emitted_at,
        emissions.is_resolved
    from emissions
    left join journeys
        on
            emissions.trigger_name = journeys.entry_name
            and journeys.entry_kind = 'trigger'
    where journeys.journey is null
),

asked as (
    select
        candidates.entry_name,
        candidates.journey,
        cast(candidates.emitted_at as date) as emitted_date,
        candidates.profile_id is not null as is_resolved,
        decisions.outcome,
        decisions.is_final,
        candidates.is_delivered
    from candidates
    left join decisions
        on
            candidates.journey = decisions.journey
            and candidates.candidate_id = decisions.candidate_id
    union all
    select
        trigger_name as entry_name,
        null as journey,
        cast(emitted_at as date) as emitted_date,
        is_resolved,
        null as outcome,
        false as is_final,
        false as is_delivered
    from unheard
),

final as (
    select
        entry_name,
        journey,
        emitted_date,
        count(*) as emitted_count,
        {{ total('case when is_resolved then 1 end') }} as resolved_count,
        {{ total(
            "case when is_resolved and outcome in ('entered', 'holdout',"
            ~ " 'reentry_blocked', 'duplicate_recipient', 'capped',"
            ~ " 'held_quiet_hours', 'held_pacing') then 1 end"
        ) }} as eligible_count,
        {{ total("case when outcome = 'entered' then 1 end") }} as entered_count,
        {{ total("case when outcome = 'entered' and is_delivered then 1 end") }}
            as delivered_count,
        {{ total('case when not is_final then 1 end') }} as waiting_count,
        {{ total("case when is_final and outcome <> 'entered' then 1 end") }}
            as turned_away_count,
        {{ total("case when outcome = 'expired' then 1 end") }} as expired_count
    from asked
    group by entry_name, journey, emitted_date
)

select * from final

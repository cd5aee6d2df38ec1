{{ config(post_hook="{{ keep_sql() }}") }}

-- What is decided now and was not landed yet. These rows are landed before anything is
-- sent, by the refresh or by the relay, and are empty then. The first check that fails
-- is the reason.
with

checks as (select * from {{ ref('int_journey_checks') }}),

journeys as (select * from {{ ref('stg_landing__journeys') }}),

decisions as (select * from {{ ref('stg_landing__journey_decisions') }}),

profile_ids as (select * from {{ ref('dim_profile_ids') }}),

judged as (
    select
        checks.*,
        case
            when is_expired then 'expired'
            when profile_id is null and is_asking then 'unresolved_identity'
            when is_erased then 'erased'
            when not is_asking or exit_reason is not null then 'exited_before_release'
            when is_suppressed then 'suppressed'
            when recipient_key is null then 'no_identifier'
            when is_invalid then 'invalid_identifier'
            when consent_obstacle is not null then 'no_consent'
            when is_excluded then 'excluded'
            when outcome = 'entered' then 'entered'
            when is_held_out then 'holdout'
            when reentry_obstacle is not null then 'reentry_blocked'
            when is_duplicate then 'duplicate_recipient'
            when cap_reached is not null then 'capped'
            when is_quiet then 'held_quiet_hours'
            else 'ready'
        end as judgement
    from checks
),

-- Entries of this very time, and of the relay since, go before everybody who is ready.
entered_now as (
    select
        decisions.journey,
        decisions.candidate_id,
        coalesce(profile_ids.profile_id, decisions.recipient) as profile_id,
        decisions.instance_key,
        journeys.recipient_type,
        decisions.recipient_key,
        decisions.emitted_at
    from decisions
    inner join journeys on decisions.journey = journeys.journey
    left join profile_ids on decisions.recipient = profile_ids.any_profile_id
    where decisions.outcome = 'entered' and decisions.as_of >= {{ as_of() }}
),

queue as (
    select
        journey,
        candidate_id,
        profile_id,
        instance_key,
        recipient_type,
        recipient_key,
        emitted_at,
        0 as is_ready
    from entered_now
    union all
    select
        journey,
        candidate_id,
        profile_id,
        instance_key,
        recipient_type,
        recipient_key,
        emitted_at,
        1 as is_ready
    from judged
    where judgement = 'ready'
),

-- One after the other: whoever might be told twice, or once too often, waits until the
-- one before them was decided, and is looked at again then.
turns as (
    select
        queue.*,
        row_number() over (
            partition by journey, profile_id, instance_key
            order by is_ready asc, emitted_at asc, candidate_id asc
        ) as turn_for_occasion,
        row_number() over (
            partition by journey, recipient_key, instance_key
            order by is_ready asc, emitted_at asc, candidate_id asc
        ) as turn_for_contact_and_occasion,
        row_number() over (
            partition by journey, profile_id
            order by is_ready asc, emitted_at asc, candidate_id asc
        ) as turn_in_journey,
        row_number() over (
            partition by recipient_type, recipient_key
            order by is_ready asc, emitted_at asc, candidate_id asc
        ) as turn_for_contact
    from queue
),

-- Those whose turn it is, one after the other through the door of each journey.
next_in_line as (
    select
        turns.journey,
        turns.candidate_id,
        judged.per_hour,
        row_number() over (
            partition by turns.journey
            order by turns.emitted_at asc, turns.candidate_id asc
        ) as place
    from turns
    inner join judged
        on
            turns.journey = judged.journey
            and turns.candidate_id = judged.candidate_id
    where
        turns.is_ready = 1
        and turns.turn_for_occasion = 1
        and turns.turn_for_contact_and_occasion = 1
        and (judged.reentry = 'always' or turns.turn_in_journey = 1)
        and (not judged.has_caps or turns.turn_for_contact = 1)
),

last_hour as (
    select
        journey,
        count(*) as entry_count
    from decisions
    where outcome = 'entered' and {{ whole_minutes('as_of', as_of()) }} < 60
    group by journey
),

entering as (
    select
        next_in_line.journey,
        next_in_line.candidate_id
    from next_in_line
    left join last_hour on next_in_line.journey = last_hour.journey
    where
        next_in_line.per_hour is null
        or next_in_line.place + coalesce(last_hour.entry_count, 0)
        <= next_in_line.per_hour
),

decided as (
    select
        judged.*,
        case
            when judged.judgement <> 'ready' then judged.judgement
            when entering.candidate_id is not null then 'entered'
            else 'held_pacing'
        end as new_outcome
    from judged
    left join entering
        on
            judged.journey = entering.journey
            and judged.candidate_id = entering.candidate_id
),

final as (
    select
        {{ as_of() }} as as_of,
        journey,
        candidate_id,
        entry_name,
        coalesce(profile_id, '') as recipient,
        recipient_key,
        instance_key,
        emitted_at,
        new_outcome as outcome,
        case new_outcome
            when 'exited_before_release'
                then coalesce(exit_reason, 'no longer the case')
            when 'no_consent' then consent_obstacle
            when 'reentry_blocked' then reentry_obstacle
            when 'capped' then 'cap of ' || cap_reached
            when 'held_quiet_hours'
                then
                    'until minute '
                    || cast(quiet_until_minute as {{ dbt.type_string() }})
                    || ' of the local day'
        end as detail
    from decided
    where outcome is null or outcome <> new_outcome
)

select * from final

{{ config(post_hook="{{ keep_sql() }}") }}

-- Whoever asks to enter a journey: each emission of its trigger, each entry into its
-- audience, and whatever was decided about once, also when the reason has gone since.
with

journeys as (select * from {{ ref('stg_landing__journeys') }}),

emissions as (select * from {{ ref('fct_trigger_emissions') }}),

memberships as (select * from {{ ref('fct_audience_membership') }}),

decisions as (select * from {{ ref('stg_landing__journey_decisions') }}),

deliveries as (select * from {{ ref('stg_landing__deliveries') }}),

profile_ids as (select * from {{ ref('dim_profile_ids') }}),

asking as (
    select
        journeys.journey,
        emissions.emission_id as candidate_id,
        emissions.trigger_name as entry_name,
        emissions.profile_id,
        coalesce(
            {{ json_text_at(
                'emissions.properties', "'$.' || " ~ nth('journeys.instance_key', 1)
            ) }} || coalesce(
                '|' || {{ json_text_at(
                    'emissions.properties', "'$.' || " ~ nth('journeys.instance_key', 2)
                ) }},
                ''
            ),
            emissions.trigger_key
        ) as instance_key,
        emissions.emitted_at
    from journeys
    inner join emissions
        on
            journeys.entry_kind = 'trigger'
            and journeys.entry_name = emissions.trigger_name
    union all
    select
        journeys.journey,
        memberships.audience_name || ':' || memberships.entered_profile_id
        || '|' || memberships.instance_key
        || '|' || cast(memberships.entry_number as {{ dbt.type_string() }})
            as candidate_id,
        memberships.audience_name as entry_name,
        memberships.profile_id,
        memberships.instance_key
        || '|' || cast(memberships.entry_number as {{ dbt.type_string() }})
            as instance_key,
        memberships.entered_at as emitted_at
    from journeys
    inner join memberships
        on
            journeys.entry_kind = 'audience'
            and journeys.entry_name = memberships.audience_name
),

-- The latest decision about a candidate counts.
decided as (
    select
        journey,
        candidate_id,
        max(record_id) as record_id,
        max_by(entry_name, record_id) as entry_name,
        max_by(recipient, record_id) as recipient,
        max_by(recipient_key, record_id) as recipient_key,
        max_by(instance_key, record_id) as instance_key,
        max_by(emitted_at, record_id) as emitted_at,
        max_by(outcome, record_id) as outcome,
        max_by(as_of, record_id) as decided_at
    from decisions
    group by journey, candidate_id
),

candidates as (
    select
        coalesce(asking.journey, decided.journey) as journey,
        coalesce(asking.candidate_id, decided.candidate_id) as candidate_id,
        coalesce(asking.entry_name, decided.entry_name) as entry_name,
        coalesce(asking.emitted_at, decided.emitted_at) as emitted_at,
        -- What was decided once stays the same occasion.
        coalesce(decided.instance_key, asking.instance_key) as instance_key,
        coalesce(asking.profile_id, profile_ids.profile_id, decided.recipient)
            as profile_id,
        asking.journey is not null as is_asking,
        decided.outcome,
        decided.decided_at,
        decided.recipient_key
    from asking
    full outer join decided
        on
            asking.journey = decided.journey
            and asking.candidate_id = decided.candidate_id
    left join profile_ids on decided.recipient = profile_ids.any_profile_id
),

identified as (
    select
        candidates.*,
        journey || '|' || instance_key || '|' || recipient_key as operation
    from candidates
),

-- What became of the operations, for journeys only.
operations as (
    select
        deliveries.sync_name as journey,
        deliveries.op_id,
        max(case when deliveries.outcome = 'delivered' then 1 else 0 end) = 1
            as is_delivered,
        max(case when deliveries.outcome = 'rejected' then 1 else 0 end) = 1
            as is_rejected
    from deliveries
    inner join journeys on deliveries.sync_name = journeys.journey
    where deliveries.kind = 'outcome'
    group by deliveries.sync_name, deliveries.op_id
),

final as (
    select
        identified.journey,
        identified.candidate_id,
        identified.entry_name,
        nullif(identified.profile_id, '') as profile_id,
        identified.instance_key,
        identified.emitted_at,
        identified.is_asking,
        identified.outcome,
        identified.decided_at,
        identified.recipient_key,
        operations.op_id,
        coalesce(operations.is_delivered, false) as is_delivered,
        coalesce(operations.is_rejected, false) as is_rejected,
        -- Nothing more will be decided about it.
        coalesce(
            case
                when identified.outcome = 'entered'
                    then operations.is_delivered or operations.is_rejected
                else
                    identified.outcome not in (
                        'unresolved_identity', 'held_quiet_hours', 'held_pacing'
                    )
            end,
            false
        ) as is_settled
    from identified
    left join operations
        on
            identified.journey = operations.journey
            and {{ sha256_hex('identified.operation') }} = operations.op_id
)

select * from final

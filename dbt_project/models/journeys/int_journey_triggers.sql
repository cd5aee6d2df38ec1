{{ config(post_hook="{{ keep_sql() }}") }}

-- What is to be told to destinations: every entry that is not known to have arrived,
-- nor to have been refused. Each has one operation for ever, so a receiver that is told
-- twice can know it. In quiet hours nothing is tried again.
with

journeys as (select * from {{ ref('stg_landing__journeys') }}),

decisions as (
    select * from {{ ref('fct_journey_decisions') }}
    where is_latest and outcome = 'entered'
),

checks as (select * from {{ ref('int_journey_checks') }}),

emissions as (select * from {{ ref('fct_trigger_emissions') }}),

attributes as (select * from {{ ref('int_profile_attributes') }}),

due as (
    select
        decisions.journey,
        decisions.candidate_id,
        decisions.profile_id,
        decisions.instance_key,
        decisions.recipient_key,
        decisions.journey || '|' || decisions.instance_key
        || '|' || decisions.recipient_key as operation,
        journeys.recipient_type,
        journeys.payload_trigger,
        journeys.payload_profile,
        emissions.properties
    from decisions
    inner join journeys on decisions.journey = journeys.journey
    -- Settled ones are not looked at any more.
    inner join checks
        on
            decisions.journey = checks.journey
            and decisions.candidate_id = checks.candidate_id
    left join emissions on decisions.candidate_id = emissions.emission_id
    where not checks.is_quiet
),

asked_of_profiles as (
    select
        due.journey,
        due.candidate_id,
        due.profile_id,
        asked.asked as path
    from due {{ each('due.payload_profile', 'asked') }}
),

told as (
    select
        journey,
        candidate_id,
        '"journey":"' || journey || '"' as member
    from due
    union all
    select
        journey,
        candidate_id,
        '"instance_key":' || {{ json_scalar('instance_key') }} as member
    from due
    union all
    select
        due.journey,
        due.candidate_id,
        '"' || asked.asked || '":'
        || coalesce({{ json_member_value('due.properties', 'asked.asked') }}, 'null')
            as member
    from due {{ each('due.payload_trigger', 'asked') }}
    union all
    select
        asked_of_profiles.journey,
        asked_of_profiles.candidate_id,
        '"' || asked_of_profiles.path || '":' || coalesce(attributes.value, 'null')
            as member
    from asked_of_profiles
    left join attributes
        on
            asked_of_profiles.profile_id = attributes.profile_id
            and asked_of_profiles.path = attributes.path
),

payloads as (
    select
        journey,
        candidate_id,
        {{ json_object_of_members('array_agg(member)') }} as payload
    from told
    group by journey, candidate_id
),

final as (
    select
        due.journey as sync_name,
        due.recipient_key,
        due.recipient_type,
        due.profile_id,
        payloads.payload,
        {{ sha256_hex('cast(payloads.payload as ' ~ dbt.type_string() ~ ')') }}
            as payload_hash,
        cast(1 as bigint) as mapping_version,
        due.recipient_key as handle,
        cast(0 as bigint) as generation,
        'trigger' as action,
        'entered' as reason,
        {{ sha256_hex('due.operation') }} as op_id,
        false as is_rejected,
        false as is_exempt
    from due
    inner join payloads
        on
            due.journey = payloads.journey
            and due.candidate_id = payloads.candidate_id
)

select * from final

-- Every trigger, sent or computed, with the person it is about. A sent one whose person
-- is known by nothing but such calls waits: a mistyped address is nobody's.
with

landed as (
    select * from {{ ref('stg_landing__events') }}
    where shape = 'trigger'
),

events as (select * from {{ ref('int_distinct_events') }}),

profile_events as (select * from {{ ref('fct_profile_events') }}),

identifier_sets as (select * from {{ ref('int_identifier_sets') }}),

set_profiles as (select * from {{ ref('int_set_profiles') }}),

computed as (select * from {{ ref('int_computed_triggers') }}),

-- The same call may be landed twice; the distinct events know which record it is.
sent as (
    select
        landed.record_id,
        landed.name as trigger_name,
        landed.source_id || '|' || landed.event_id as trigger_key,
        landed.contract_version,
        landed.occurred_at as emitted_at,
        landed.properties,
        landed.identifiers,
        profile_events.profile_id
    from landed
    inner join profile_events on landed.record_id = profile_events.record_id
),

people as (
    select distinct profile_id from sent
    where profile_id is not null
),

their_sets as (
    select
        people.profile_id,
        set_profiles.identifier_set_id
    from people
    inner join set_profiles on people.profile_id = set_profiles.profile_id
),

-- Whoever is spoken of anywhere else.
known_by as (
    select
        their_sets.profile_id,
        identifier_sets.first_record_id as record_id
    from their_sets
    inner join identifier_sets
        on their_sets.identifier_set_id = identifier_sets.identifier_set_id
    union all
    select
        their_sets.profile_id,
        events.record_id
    from their_sets
    inner join events on their_sets.identifier_set_id = events.identifier_set_id
),

known as (
    select distinct known_by.profile_id
    from known_by
    left join landed on known_by.record_id = landed.record_id
    where landed.record_id is null
),

emissions as (
    select
        sent.trigger_name,
        sent.trigger_key,
        'sent' as origin,
        known.profile_id,
        sent.emitted_at,
        sent.properties,
        sent.identifiers,
        sent.contract_version,
        sent.record_id
    from sent
    left join known on sent.profile_id = known.profile_id
    union all
    select
        trigger_name,
        trigger_key,
        'computed' as origin,
        profile_id,
        emitted_at,
        properties,
        null as identifiers,
        null as contract_version,
        null as record_id
    from computed
),

final as (
    select
        trigger_name || ':' || trigger_key as emission_id,
        trigger_name,
        trigger_key,
        origin,
        profile_id,
        profile_id is not null as is_resolved,
        case
            when profile_id is null then {{ whole_minutes('emitted_at', as_of()) }}
        end as waiting_minutes,
        emitted_at,
        properties,
        identifiers,
        contract_version,
        record_id
    from emissions
)

select * from final

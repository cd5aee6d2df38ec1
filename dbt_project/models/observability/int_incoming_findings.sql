{{ config(materialized='view') }}

-- What is not as it was in what comes in. How each is judged is the business of the
-- models it comes from, and the thresholds are vars.
with

volumes as (select * from {{ ref('obs_volumes') }}),

rates as (select * from {{ ref('obs_source_rates') }}),

property_changes as (select * from {{ ref('obs_property_changes') }}),

property_days as (select * from {{ ref('obs_property_days') }}),

event_days as (select * from {{ ref('obs_event_days') }}),

event_taxonomy as (select * from {{ ref('event_taxonomy') }}),

landed as (select * from {{ ref('stg_landing__events') }}),

rejects as (select * from {{ ref('stg_landing__rejects') }}),

-- Yesterday is the last whole day.
yesterdays as (
    select * from volumes
    where
        verdict in ('silent', 'low', 'high')
        and volume_date = {{ days_before(as_of(), 1) }}
),

odd_sources as (
    select source_id from yesterdays
    where event_name is null
),

-- What befalls all of a source is said once.
told_volumes as (
    select yesterdays.*
    from yesterdays
    left join odd_sources on yesterdays.source_id = odd_sources.source_id
    where yesterdays.event_name is null or odd_sources.source_id is null
),

odd_volumes as (
    select
        case verdict
            when 'silent' then 'source_silent'
            when 'low' then 'volume_low'
            else 'volume_high'
        end as finding,
        source_id,
        coalesce(event_name, 'all events') as place,
        volume_date as found_date,
        cast(event_count as {{ dbt.type_string() }}) || ' events' as observed,
        cast(least_count as {{ dbt.type_string() }}) || ' to '
        || cast(most_count as {{ dbt.type_string() }}) || ' as on this weekday'
            as expected,
        case verdict
            when 'high'
                then
                    'Does something send twice, or to the wrong place? Look at'
                    || ' obs_source_rates. A holiday or a campaign: add its day'
                    || ' to seeds/holidays.csv'
            else
                'Is its sender running, is its key valid (python -m ingestion keys'
                || ' list), was it refused (python -m ingestion rejects list)? A'
                || ' holiday: add its day to seeds/holidays.csv'
        end as remedy
    from told_volumes
),

breaches as (
    select * from rates
    where
        is_breached
        and counted_date >= {{ days_before(as_of(), 1) }}
        and counted_date <= {{ days_before(as_of(), 0) }}
),

odd_shares as (
    select
        source_id,
        measure
    from breaches
    where event_name is null
    group by source_id, measure
),

told_rates as (
    select breaches.*
    from breaches
    left join odd_shares
        on
            breaches.source_id = odd_shares.source_id
            and breaches.measure = odd_shares.measure
    where breaches.event_name is null or odd_shares.source_id is null
),

odd_rates as (
    select
        'rate_' || measure as finding,
        source_id,
        measure || coalesce(' of ' || event_name, '') as place,
        counted_date as found_date,
        cast(percentage as {{ dbt.type_string() }}) || ' %' as observed,
        cast(past_percentage as {{ dbt.type_string() }}) || ' %' as expected,
        case measure
            when 'duplicates'
                then
                    'Two senders of one source? Nothing is counted twice, but look'
                    || ' for a second tag, or a queue that resends'
            when 'rejects'
                then
                    'Read the reasons (python -m ingestion rejects list), correct'
                    || ' the sender or the contract, then replay'
            when 'nameless'
                then
                    'Its events name nobody: is consent asked for anew, or an'
                    || ' identifier renamed? Compare'
                    || ' python -m orchestration.event_log tail'
            else
                'Is the clock of the sender right, in UTC, and does it say sentAt'
                || ' so that we can correct it?'
        end as remedy
    from told_rates
),

changed_properties as (
    select
        case
            when change = 'other type' then 'property_type'
            when change = 'vanished' and property like 'consent.%'
                then 'consent_vanished'
            else 'property_' || change
        end as finding,
        source_id,
        event_name || '.' || property as place,
        counted_date as found_date,
        case
            when change = 'other type' then 'type ' || value_type
            else cast(coverage_percent as {{ dbt.type_string() }}) || ' % have it'
        end as observed,
        case
            when change = 'other type' then 'another type'
            else cast(past_coverage_percent as {{ dbt.type_string() }}) || ' %'
        end as expected,
        case
            when change = 'new'
                then 'Tell whoever reads it; if it replaces one that vanished, map it'
            when property like 'consent.%'
                then
                    'Nobody new is consented by it: put the column back into the'
                    || ' extract, or correct consent in sources/' || source_id || '.yml'
            else
                'Ask the owner what was released; map the new name or type in'
                || ' sources/' || source_id || '.yml, or in the seed that reads it'
        end as remedy
    from property_changes
),

junk_identifiers as (
    select
        'junk_identifier' as finding,
        source_id,
        property as place,
        happened_date as found_date,
        'one value beside ' || cast(largest_crowd_count as {{ dbt.type_string() }})
        || ' sets of identifiers' as observed,
        'at most {{ var("junk_crowd") }} in a day' as expected,
        'See which: python -m orchestration.event_log crowds ' || source_id
        || '. Then a row in seeds/blocked_identifiers.csv, and correct the sender'
            as remedy
    from property_days
    where
        largest_crowd_count > {{ var('junk_crowd') }}
        and happened_date >= {{ days_before(as_of(), 1) }}
        and happened_date <= {{ days_before(as_of(), 0) }}
),

placed_events as (
    select
        source_id,
        event_name,
        received_count,
        trigger_count,
        lower(trim(translate(event_name, '_-/.', '    '))) as event_name_key,
        {{ counted_date('late_count', 'received_count') }} as counted_date
    from event_days
),

begun_sources as (
    select
        source_id,
        min(counted_date) as first_date
    from placed_events
    group by source_id
),

begun_events as (
    select
        source_id,
        event_name,
        event_name_key,
        min(counted_date) as first_date,
        sum(received_count) as received_count
    from placed_events
    where event_name is not null
    group by source_id, event_name, event_name_key
    having sum(trigger_count) = 0
),

-- Unknown names are taken in; whoever adds a source has looked at those it begins with.
unknown_events as (
    select
        'event_unknown' as finding,
        begun_events.source_id,
        begun_events.event_name as place,
        begun_events.first_date as found_date,
        cast(begun_events.received_count as {{ dbt.type_string() }})
        || ' of a name that never came before' as observed,
        'names that seeds/event_taxonomy.csv knows' as expected,
        'Misspelt or renamed? Correct the sender. New? Add it to'
        || ' seeds/event_taxonomy.csv with what it means' as remedy
    from begun_events
    inner join begun_sources
        on
            begun_events.source_id = begun_sources.source_id
            and begun_events.first_date > begun_sources.first_date
    left join event_taxonomy
        on begun_events.event_name_key = event_taxonomy.event_name
    where
        event_taxonomy.event_name is null
        and begun_events.event_name_key not in (
            'page', 'screen', 'identify', 'group', 'alias', 'track', 'consent updated'
        )
        and begun_events.first_date >= {{ days_before(as_of(), 1) }}
        and begun_events.first_date <= {{ days_before(as_of(), 0) }}
),

two_versions as (
    select
        'trigger_versions' as finding,
        source_id,
        name as place,
        max(cast(received_at as date)) as found_date,
        'versions ' || min(contract_version) || ' and ' || max(contract_version)
            as observed,
        'one version' as expected,
        'Parts of the sender were not released: bring all of them to '
        || max(contract_version) as remedy
    from landed
    where
        shape = 'trigger'
        and received_at >= {{ as_of() }} - interval '24' hour
    group by source_id, name
    having count(distinct contract_version) > 1
),

refused_triggers as (
    select
        'trigger_refused' as finding,
        source_id,
        coalesce(endpoint, '/triggers') as place,
        max(cast(received_at as date)) as found_date,
        cast(count(*) as {{ dbt.type_string() }}) || ' calls refused' as observed,
        'none' as expected,
        'The sender speaks a version that is not declared: ' || min(detail)
        || '. Correct it, or add the version, then replay' as remedy
    from rejects
    where
        code in ('unknown_trigger', 'invalid_trigger')
        and received_at >= {{ as_of() }} - interval '24' hour
    group by source_id, coalesce(endpoint, '/triggers')
    having count(*) >= {{ var('trigger_refused_from') }}
),

final as (
    select * from odd_volumes
    union all
    select * from odd_rates
    union all
    select * from changed_properties
    union all
    select * from junk_identifiers
    union all
    select * from unknown_events
    union all
    select * from two_versions
    union all
    select * from refused_triggers
)

select * from final

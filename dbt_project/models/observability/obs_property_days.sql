{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='received_date',
        on_schema_change='fail',
        meta={'touched': 'obs_touched_days'},
        post_hook="{{ remember({'stg_landing__events': '_load_id', 'stg_landing__profiles': '_load_id', 'stg_landing__rejects': '_load_id'}) }}",
    )
}}

with

events as (select * from {{ ref('stg_landing__events') }}),

extract_rows as (select * from {{ ref('stg_landing__profiles') }}),

touched_days as (select * from {{ ref('obs_touched_days') }}),

blocked_identifiers as (select * from {{ ref('blocked_identifiers') }}),

-- Everything that came, repeated or not: what is looked at is how a sender writes.
arrived as (
    select
        events.source_id,
        case
            when events.type = 'track' then coalesce(events.name, events.type)
            else events.type
        end as event_name,
        touched_days.received_date,
        case
            when events.occurred_at < events.received_at - interval '24' hour
                then cast(events.occurred_at as date)
            else touched_days.received_date
        end as happened_date,
        events.identifiers,
        events.properties,
        events.traits,
        events.consent
    from events
    inner join touched_days
        on cast(events.received_at as date) = touched_days.received_date
    union all
    select
        extract_rows.source_id,
        'row' as event_name,
        touched_days.received_date,
        touched_days.received_date as happened_date,
        extract_rows.identifiers,
        null as properties,
        extract_rows.traits,
        extract_rows.consent
    from extract_rows
    inner join touched_days
        on cast(extract_rows.received_at as date) = touched_days.received_date
    where extract_rows.op = 'upsert'
),

leaves as (
    select
        arrived.source_id,
        arrived.event_name,
        arrived.received_date,
        arrived.happened_date,
        leaf.path as property,
        leaf.value
    from arrived {{ each_leaf('arrived.properties', 'leaf') }}
    union all
    select
        arrived.source_id,
        arrived.event_name,
        arrived.received_date,
        arrived.happened_date,
        'traits.' || leaf.path as property,
        leaf.value
    from arrived {{ each_leaf('arrived.traits', 'leaf') }}
    union all
    select
        arrived.source_id,
        arrived.event_name,
        arrived.received_date,
        arrived.happened_date,
        'consent.' || leaf.path as property,
        leaf.value
    from arrived {{ each_leaf('arrived.consent', 'leaf') }}
),

typed as (
    select
        source_id,
        event_name,
        received_date,
        happened_date,
        property,
        case
            when value in ('null', '""') then 'blank'
            when value like '"%' then 'text'
            when value like '[%' then 'list'
            when value in ('true', 'false') then 'boolean'
            else 'number'
        end as value_type
    from leaves
),

-- How many different sets of identifiers one value stood in: a person has few in a day,
-- a junk value has everybody's. What is blocked already does no harm.
given_values as (
    select
        arrived.source_id,
        arrived.received_date,
        arrived.happened_date,
        identifier.identifier.type as identifier_type,
        identifier.identifier.value as identifier_value,
        {{ identifiers_text('arrived.identifiers') }} as identifiers_as_text
    from arrived {{ each('arrived.identifiers', 'identifier') }}
),

values_per_day as (
    select
        given_values.source_id,
        given_values.received_date,
        given_values.happened_date,
        given_values.identifier_type,
        given_values.identifier_value,
        count(*) as value_count,
        count(distinct given_values.identifiers_as_text) as set_count
    from given_values
    left join blocked_identifiers
        on
            lower(given_values.identifier_value) = blocked_identifiers.blocked_value
            and blocked_identifiers.match = 'exact'
            and blocked_identifiers.identifier_type
            in ('*', given_values.identifier_type)
    where
        given_values.identifier_type not in ('anonymous_id', 'device_id')
        and blocked_identifiers.blocked_value is null
    group by
        given_values.source_id,
        given_values.received_date,
        given_values.happened_date,
        given_values.identifier_type,
        given_values.identifier_value
),

final as (
    select
        source_id,
        event_name,
        received_date,
        happened_date,
        '' as property,
        'record' as value_type,
        count(*) as value_count,
        cast(null as bigint) as largest_crowd_count
    from arrived
    group by source_id, event_name, received_date, happened_date
    union all
    select
        source_id,
        event_name,
        received_date,
        happened_date,
        property,
        value_type,
        count(*) as value_count,
        cast(null as bigint) as largest_crowd_count
    from typed
    group by
        source_id, event_name, received_date, happened_date, property, value_type
    union all
    select
        source_id,
        '' as event_name,
        received_date,
        happened_date,
        'identifiers.' || identifier_type as property,
        'text' as value_type,
        cast(sum(value_count) as bigint) as value_count,
        max(set_count) as largest_crowd_count
    from values_per_day
    group by source_id, received_date, happened_date, identifier_type
)

select * from final

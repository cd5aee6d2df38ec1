with

touched as (select * from {{ ref('int_touched_subscriptions') }}),

events as (select * from {{ ref('int_distinct_events') }}),

event_taxonomy as (select * from {{ ref('event_taxonomy') }}),

records as (
    select
        *,
        coalesce(
            nullif({{ json_text('properties', '$.subscription_id') }}, ''), row_key
        ) as subscription_id
    from {{ ref('stg_landing__records') }}
    where record_type = 'subscription'
),

effects as (select * from {{ ref('subscription_effects') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

-- Every event that says something about a subscription. Only these few are given their
-- meaning, which is what fct_events gives them.
subscription_events as (
    select
        events.record_id,
        events.subscription_id,
        events.source_id,
        events.event_id,
        'event' as kind,
        'counts' as standing,
        coalesce(sources.is_server, events.channel in ('server', 'webhook'))
            as is_server,
        events.occurred_at,
        events.occurred_at as dated_at,
        events.event_name as name,
        cast(null as {{ dbt.type_string() }}) as source_status,
        effects.effect,
        events.properties
    from touched
    inner join events on touched.subscription_id = events.subscription_id
    inner join event_taxonomy
        on
            events.event_type = event_taxonomy.event_type
            and events.event_name_key = event_taxonomy.event_name
    inner join effects
        on event_taxonomy.canonical_name = effects.word and effects.said_by = 'event'
    left join sources on events.source_id = sources.source_id
    where events.subscription_id is not null and events.event_type = 'track'
),

-- Versions of a row: the latest counts, unless the row is gone.
versions as (
    select
        *,
        row_number() over (
            partition by source_id, row_key
            order by record_id desc
        ) as age,
        first_value(op) over (
            partition by source_id, row_key
            order by record_id desc
        ) as latest_op
    from records
),

-- A row says how things are when it was updated, or at least when it was landed. What
-- its source dates it by is when the subscription began.
subscription_rows as (
    select
        versions.record_id,
        versions.subscription_id,
        versions.source_id,
        cast(null as {{ dbt.type_string() }}) as event_id,
        'row' as kind,
        case
            when versions.latest_op = 'delete' then 'withdrawn'
            when versions.age = 1 then 'counts'
            else 'superseded'
        end as standing,
        true as is_server,
        coalesce(
            {{ moment(json_text('versions.properties', '$.updated_at')) }},
            versions.received_at
        ) as occurred_at,
        versions.occurred_at as dated_at,
        cast(null as {{ dbt.type_string() }}) as name,
        versions.source_status,
        effects.effect,
        versions.properties
    from touched
    inner join versions on touched.subscription_id = versions.subscription_id
    left join effects
        on lower(versions.source_status) = effects.word and effects.said_by = 'row'
    where versions.op = 'upsert'
),

evidence as (
    select * from subscription_events
    union all
    select * from subscription_rows
),

with_texts as (
    select
        *,
        {{ json_texts('properties', [
            '$.plan', '$.plan_name', '$.price', '$.amount', '$.currency',
            '$.contract_end', '$.contract_ends_at', '$.contract_end_date',
            '$.new_contract_end', '$.ends_at', '$.ends_on', '$.end_date',
            '$.current_period_end', '$.effective_on', '$.renewal_confirmed',
            '$.started_at',
        ]) }} as texts
    from evidence
),

final as (
    select
        with_texts.record_id,
        with_texts.subscription_id,
        with_texts.source_id,
        with_texts.event_id,
        with_texts.kind,
        with_texts.standing,
        with_texts.is_server,
        coalesce(sources.priority, 1000) as source_priority,
        with_texts.occurred_at,
        with_texts.name,
        with_texts.source_status,
        coalesce(with_texts.effect, 'unknown') as effect,
        coalesce(
            nullif({{ nth('with_texts.texts', 1) }}, ''),
            nullif({{ nth('with_texts.texts', 2) }}, '')
        ) as plan,
        try_cast(
            coalesce({{ nth('with_texts.texts', 3) }}, {{ nth('with_texts.texts', 4) }})
            as decimal(18, 2)
        ) as price,
        coalesce(
            upper(nullif(trim({{ nth('with_texts.texts', 5) }}), '')),
            sources.default_currency
        ) as currency,
        coalesce(
            {{ moment(nth('with_texts.texts', 6)) }},
            {{ moment(nth('with_texts.texts', 7)) }},
            {{ moment(nth('with_texts.texts', 8)) }},
            {{ moment(nth('with_texts.texts', 9)) }},
            {{ moment(nth('with_texts.texts', 10)) }},
            {{ moment(nth('with_texts.texts', 11)) }},
            {{ moment(nth('with_texts.texts', 12)) }},
            {{ moment(nth('with_texts.texts', 13)) }},
            {{ moment(nth('with_texts.texts', 14)) }}
        ) as contract_ends_at,
        case
            when lower({{ nth('with_texts.texts', 15) }}) in ('true', 'yes', '1')
                then true
            when lower({{ nth('with_texts.texts', 15) }}) in ('false', 'no', '0')
                then false
        end as is_renewal_confirmed,
        coalesce(
            {{ moment(nth('with_texts.texts', 16)) }},
            case
                when with_texts.kind = 'row' or with_texts.effect = 'started'
                    then with_texts.dated_at
            end
        ) as started_at
    from with_texts
    left join sources on with_texts.source_id = sources.source_id
)

select * from final

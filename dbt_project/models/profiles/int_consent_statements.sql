{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='origin_id',
        on_schema_change='fail',
        meta={'touched': 'int_touched_origins'},
        post_hook="{{ remember({'int_distinct_events': '_load_id', 'stg_landing__profiles': '_load_id'}) }}",
    )
}}

with

touched_origins as (select * from {{ ref('int_touched_origins') }}),

all_events as (select * from {{ ref('fct_events') }}),

all_rows as (select * from {{ ref('stg_landing__profiles') }}),

consent_words as (select * from {{ ref('consent_words') }}),

suppressing_events as (select * from {{ ref('suppressing_events') }}),

events as (
    select
        all_events.*,
        touched_origins.origin_id
    from all_events
    inner join touched_origins on all_events.record_id = touched_origins.record_id
),

extract_rows as (
    select
        all_rows.*,
        touched_origins.origin_id
    from all_rows
    inner join touched_origins on all_rows.record_id = touched_origins.record_id
    where all_rows.op = 'upsert' and all_rows.consent is not null
),

consent_events as (
    select
        record_id,
        origin_id,
        source_id,
        occurred_at,
        {{ json_texts('properties', [
            '$.purpose', '$.consent_type', '$.type', '$.status', '$.state',
            '$.consent', '$.granted', '$.channel', '$.contact', '$.contact_point',
            '$.email', '$.phone',
        ]) }} as texts
    from events
    where canonical_name = 'consent_updated'
),

-- Somebody said so, and an event tells of it.
from_events as (
    select
        record_id,
        origin_id,
        source_id,
        cast(null as {{ dbt.type_string() }}) as row_key,
        occurred_at,
        'event' as evidence,
        coalesce(
            {{ nth('texts', 1) }}, {{ nth('texts', 2) }}, {{ nth('texts', 3) }}
        ) as sent_purpose,
        {{ nth('texts', 8) }} as sent_channel,
        coalesce(
            {{ nth('texts', 4) }},
            {{ nth('texts', 5) }},
            {{ nth('texts', 6) }},
            {{ nth('texts', 7) }}
        ) as sent_status,
        coalesce(
            {{ nth('texts', 9) }},
            {{ nth('texts', 10) }},
            {{ nth('texts', 11) }},
            {{ nth('texts', 12) }}
        ) as sent_contact
    from consent_events
),

-- What travels with any event or row: purpose → status, or purpose.channel → status.
envelopes as (
    select
        record_id,
        origin_id,
        source_id,
        cast(null as {{ dbt.type_string() }}) as row_key,
        occurred_at,
        'envelope' as evidence,
        cast(consent as {{ dbt.type_string() }}) as consent
    from events
    where consent is not null
    union all
    select
        record_id,
        origin_id,
        source_id,
        row_key,
        coalesce(observed_at, received_at) as occurred_at,
        'extract' as evidence,
        cast(consent as {{ dbt.type_string() }}) as consent
    from extract_rows
),

envelope_leaves as (
    select
        envelopes.record_id,
        envelopes.origin_id,
        envelopes.source_id,
        envelopes.row_key,
        envelopes.occurred_at,
        envelopes.evidence,
        replace(leaf.path, 'categoryPreferences.', '') as path,
        {{ json_text('leaf.value', '$') }} as sent_status
    from envelopes {{ each_leaf('envelopes.consent', 'leaf') }}
),

from_envelopes as (
    select
        record_id,
        origin_id,
        source_id,
        row_key,
        occurred_at,
        evidence,
        split_part(path, '.', 1) as sent_purpose,
        nullif(split_part(path, '.', 2), '') as sent_channel,
        sent_status,
        cast(null as {{ dbt.type_string() }}) as sent_contact
    from envelope_leaves
    where sent_status <> ''
),

-- A letter box that does not exist, or a complaint, is a denial in so many words. A
-- bounce that its tool calls temporary is not.
suppressions as (
    select
        events.record_id,
        events.origin_id,
        events.source_id,
        events.occurred_at,
        suppressing_events.purpose,
        suppressing_events.channel,
        {{ json_texts('events.properties', [
            '$.kind', '$.bounce_type', '$.bounceType', '$.type', '$.contact',
            '$.recipient', '$.email', '$.phone',
        ]) }} as texts
    from events
    inner join suppressing_events
        on events.canonical_name = suppressing_events.canonical_name
),

from_suppressions as (
    select
        suppressions.record_id,
        suppressions.origin_id,
        suppressions.source_id,
        cast(null as {{ dbt.type_string() }}) as row_key,
        suppressions.occurred_at,
        'suppression' as evidence,
        suppressions.purpose as sent_purpose,
        suppressions.channel as sent_channel,
        'denied' as sent_status,
        coalesce(
            {{ nth('suppressions.texts', 5) }},
            {{ nth('suppressions.texts', 6) }},
            {{ nth('suppressions.texts', 7) }},
            {{ nth('suppressions.texts', 8) }}
        ) as sent_contact
    from suppressions
    left join consent_words as temporary
        on
            temporary.kind = 'bounce'
            and translate(
                lower(
                    coalesce(
                        {{ nth('suppressions.texts', 1) }},
                        {{ nth('suppressions.texts', 2) }},
                        {{ nth('suppressions.texts', 3) }},
                        {{ nth('suppressions.texts', 4) }}
                    )
                ),
                '- ',
                '__'
            ) = temporary.word
    where temporary.word is null
),

statements as (
    select * from from_events
    union all
    select * from from_envelopes
    union all
    select * from from_suppressions
),

with_words as (
    select
        statements.*,
        purpose_words.meaning as purpose,
        coalesce(
            nullif(
                nullif(translate(lower(statements.sent_channel), '-_ ', ''), ''), 'any'
            ),
            'all'
        ) as channel,
        status_words.meaning as state,
        nullif(trim(statements.sent_contact), '') as contact
    from statements
    left join consent_words as purpose_words
        on
            purpose_words.kind = 'purpose'
            and translate(lower(trim(statements.sent_purpose)), '- ', '__')
            = purpose_words.word
    left join consent_words as status_words
        on
            status_words.kind = 'status'
            and translate(lower(trim(statements.sent_status)), '- ', '__')
            = status_words.word
),

with_previous as (
    select
        *,
        case
            when evidence = 'extract' then lag(state) over (
                partition by
                    evidence, source_id, row_key, sent_purpose, sent_channel
                order by record_id asc
            )
        end as previous_state
    from with_words
),

-- A row that repeats its word says nothing new, whatever else of it changed.
final as (
    select
        record_id,
        origin_id,
        source_id,
        occurred_at,
        evidence,
        sent_purpose,
        sent_channel,
        sent_status,
        purpose,
        channel,
        state,
        previous_state,
        contact
    from with_previous
    where state is null or previous_state is null or state <> previous_state
)

select * from final

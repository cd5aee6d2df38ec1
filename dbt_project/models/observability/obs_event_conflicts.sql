{{ config(materialized='view') }}

with

landed as (select * from {{ ref('stg_landing__events') }}),

distinct_events as (
    select
        source_id,
        event_id,
        record_id
    from {{ ref('int_distinct_events') }}
),

repeats as (
    select
        distinct_events.record_id as kept_record_id,
        landed.record_id as other_record_id
    from landed
    inner join distinct_events
        on
            landed.source_id = distinct_events.source_id
            and landed.event_id = distinct_events.event_id
            and landed.record_id <> distinct_events.record_id
),

-- When it was sent is what a repetition may change.
compared as (
    select
        kept.source_id,
        kept.event_id,
        repeats.kept_record_id,
        repeats.other_record_id,
        others.received_at,
        {{ differs('others.type', 'kept.type') }} as is_other_type,
        {{ differs('others.name', 'kept.name') }} as is_other_name,
        {{ differs('others.original_timestamp', 'kept.original_timestamp') }}
            as is_other_time,
        {{ differs(
            identifiers_text('others.identifiers'), identifiers_text('kept.identifiers')
        ) }} as is_other_identity,
        {{ differs('others.properties', 'kept.properties') }} as is_other_properties,
        {{ differs('others.traits', 'kept.traits') }} as is_other_traits,
        {{ differs('others.context', 'kept.context') }} as is_other_context,
        {{ differs('others.consent', 'kept.consent') }} as is_other_consent
    from repeats
    inner join landed as kept on repeats.kept_record_id = kept.record_id
    inner join landed as others on repeats.other_record_id = others.record_id
),

final as (
    select *
    from compared
    where
        is_other_type or is_other_name or is_other_time or is_other_identity
        or is_other_properties or is_other_traits or is_other_context
        or is_other_consent
)

select * from final

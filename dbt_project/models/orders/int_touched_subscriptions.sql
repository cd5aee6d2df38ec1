{{ config(post_hook="{{ remember_run() }}") }}

with

events as (select * from {{ ref('int_distinct_events') }}),

records as (
    select
        *,
        coalesce(
            nullif({{ json_text('properties', '$.subscription_id') }}, ''), row_key
        ) as subscription_id
    from {{ ref('stg_landing__records') }}
    where record_type = 'subscription'
),

profile_touches as (select * from {{ ref('int_profile_touches') }}),

record_profiles as (select * from {{ ref('int_record_profiles') }}),

profiles as (select * from {{ ref('int_profiles') }}),

-- What was known before this refresh: the room writes it last.
held_evidence as (
    {{ held(
        'fct_subscription_evidence',
        "select events.*, 'p' as profile_id, 'anchor' as profile_kind "
        ~ "from events where 1 = 0"
    ) }}
),

new_events as (
    select * from events
    where _load_id > {{ seen_by_consumers('int_distinct_events') }}
),

new_rows as (
    select distinct
        source_id,
        row_key
    from records
    where _load_id > {{ seen_by_consumers('stg_landing__records') }}
),

touched_profiles as (
    select distinct profile_id from profile_touches
    where _touch_id > {{ seen_by_consumers('int_profile_touches', '_touch_id') }}
),

-- Evidence that may be somebody else's now.
suspects as (
    select
        held_evidence.subscription_id,
        held_evidence.record_id,
        held_evidence.profile_id,
        held_evidence.profile_kind
    from held_evidence
    left join touched_profiles
        on held_evidence.profile_id = touched_profiles.profile_id
    where
        held_evidence.profile_id is null
        or touched_profiles.profile_id is not null
),

final as (
    select subscription_id from new_events
    where subscription_id is not null
    union
    -- The same event under a smaller record id may name another subscription.
    select held_evidence.subscription_id
    from held_evidence
    inner join new_events
        on
            held_evidence.source_id = new_events.source_id
            and held_evidence.event_id = new_events.event_id
    union
    select records.subscription_id
    from records
    inner join new_rows
        on
            records.source_id = new_rows.source_id
            and records.row_key = new_rows.row_key
    union
    select suspects.subscription_id
    from suspects
    left join record_profiles on suspects.record_id = record_profiles.record_id
    left join profiles on record_profiles.profile_id = profiles.profile_id
    where
        suspects.profile_id is distinct from record_profiles.profile_id
        or suspects.profile_kind is distinct from profiles.profile_kind
    union
    -- When rules were edited, also what there is no evidence of any more.
    select subscription_id from held_evidence
    where {{ seen_by_consumers('int_distinct_events') }} = 0
)

select * from final

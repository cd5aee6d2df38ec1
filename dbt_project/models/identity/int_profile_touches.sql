{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        on_schema_change='fail',
        post_hook="{{ remember({
            'int_distinct_events': '_load_id',
            'stg_landing__profiles': '_load_id',
            'stg_landing__records': '_load_id',
        }) }}",
    )
}}

with

events as (select * from {{ ref('int_distinct_events') }}),

landed_events as (select * from {{ ref('stg_landing__events') }}),

profile_rows as (select * from {{ ref('stg_landing__profiles') }}),

record_rows as (select * from {{ ref('stg_landing__records') }}),

solved_sets as (select * from {{ ref('int_solved_sets') }}),

solved_records as (select * from {{ ref('int_solved_records') }}),

identifiers as (select * from {{ ref('int_identifiers') }}),

resolved_identifiers as (select * from {{ ref('int_resolved_identifiers') }}),

profiles as (select * from {{ ref('int_profiles') }}),

-- What the later models hold is read before they replace it.
held_sets as (
    {{ held('int_set_profiles', 'select * from solved_sets where 1 = 0') }}
),

held_records as (
    {{ held('int_timed_records', 'select * from solved_records where 1 = 0') }}
),

solved_identifiers as (
    select
        identifiers.identifier_id,
        profiles.profile_id,
        resolved_identifiers.is_shared,
        identifiers.first_seen_at,
        identifiers.last_seen_at,
        identifiers.first_record_id
    from identifiers
    inner join resolved_identifiers
        on identifiers.identifier_id = resolved_identifiers.identifier_id
    inner join profiles
        on resolved_identifiers.representative_id = profiles.representative_id
),

held_identifiers as (
    {{ held('dim_identifiers', 'select * from solved_identifiers where 1 = 0') }}
),

new_events as (
    select * from events
    where _load_id > {{ seen('int_profile_touches', 'int_distinct_events') }}
),

-- Sets of identifiers with a record that came, or went because a smaller record id of
-- the same event came, or because its row was deleted.
moved_sets as (
    select identifier_set_id from new_events
    union
    select
        {{ hash_bigint(
            "landed_events.source_id || ':' || "
            ~ identifiers_text('landed_events.identifiers')
        ) }} as identifier_set_id
    from new_events
    inner join landed_events
        on
            new_events.source_id = landed_events.source_id
            and new_events.event_id = landed_events.event_id
            and new_events.record_id < landed_events.record_id
    union
    select
        {{ hash_bigint("source_id || ':' || " ~ identifiers_text('identifiers')) }}
            as identifier_set_id
    from profile_rows
    where (source_id, row_key) in (
        select (newer.source_id, newer.row_key) from profile_rows as newer
        where newer._load_id > {{ seen('int_profile_touches', 'stg_landing__profiles') }}
    )
    union
    select
        {{ hash_bigint("source_id || ':' || " ~ identifiers_text('identifiers')) }}
            as identifier_set_id
    from record_rows
    where (source_id, row_key) in (
        select (newer.source_id, newer.row_key) from record_rows as newer
        where newer._load_id > {{ seen('int_profile_touches', 'stg_landing__records') }}
    )
),

-- Both sides of every difference between what is held and what is true now.
changed_sets as (
    select
        held_sets.profile_id as held_profile_id,
        solved_sets.profile_id
    from held_sets
    full outer join solved_sets
        on held_sets.identifier_set_id = solved_sets.identifier_set_id
    left join moved_sets
        on
            coalesce(solved_sets.identifier_set_id, held_sets.identifier_set_id)
            = moved_sets.identifier_set_id
    where
        moved_sets.identifier_set_id is not null
        or held_sets.profile_id is distinct from solved_sets.profile_id
        or held_sets.is_by_time is distinct from solved_sets.is_by_time
),

changed_records as (
    select
        held_records.profile_id as held_profile_id,
        solved_records.profile_id
    from held_records
    full outer join solved_records on held_records.record_id = solved_records.record_id
    where held_records.profile_id is distinct from solved_records.profile_id
),

changed_identifiers as (
    select
        held_identifiers.profile_id as held_profile_id,
        solved_identifiers.profile_id
    from held_identifiers
    full outer join solved_identifiers
        on held_identifiers.identifier_id = solved_identifiers.identifier_id
    where
        held_identifiers.profile_id is distinct from solved_identifiers.profile_id
        or held_identifiers.is_shared is distinct from solved_identifiers.is_shared
        or held_identifiers.first_seen_at
        is distinct from solved_identifiers.first_seen_at
        or held_identifiers.last_seen_at is distinct from solved_identifiers.last_seen_at
        or held_identifiers.first_record_id
        is distinct from solved_identifiers.first_record_id
),

touched as (
    select held_profile_id as profile_id from changed_sets
    union
    select profile_id from changed_sets
    union
    select held_profile_id as profile_id from changed_records
    union
    select profile_id from changed_records
    union
    select held_profile_id as profile_id from changed_identifiers
    union
    select profile_id from changed_identifiers
),

-- One number for each refresh, larger than any before.
final as (
    select
        profile_id,
        {% if is_incremental() %}
        (select cast(coalesce(max(_touch_id), 0) + 1 as bigint) from {{ this }})
            as _touch_id
        {% else %}
        cast(1 as bigint) as _touch_id
        {% endif %}
    from touched
    where profile_id is not null
)

select * from final

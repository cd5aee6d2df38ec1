{{ config(post_hook="{{ remember_run() }}") }}

with

records as (select * from {{ ref('int_records') }}),

events as (select * from {{ ref('int_distinct_events') }}),

landed_events as (select * from {{ ref('stg_landing__events') }}),

profile_rows as (select * from {{ ref('stg_landing__profiles') }}),

record_rows as (select * from {{ ref('stg_landing__records') }}),

held_sets as (
    {{ held_columns('int_identifier_sets', {'identifier_set_id': 'bigint'}) }}
),

new_events as (
    select * from events
    where _load_id > {{ seen_unless_anew('int_distinct_events') }}
),

-- An event that arrived again under a smaller record id replaces the one held.
replaced_events as (
    select
        {{ set_id('landed_events.source_id', 'landed_events.identifiers') }}
            as identifier_set_id
    from new_events
    inner join landed_events
        on
            new_events.source_id = landed_events.source_id
            and new_events.event_id = landed_events.event_id
            and new_events.record_id < landed_events.record_id
    where not {{ solves_anew() }}
),

-- Every version of an extract row counts as long as the row is not deleted.
moved_rows as (
    select
        {{ set_id('versions.source_id', 'versions.identifiers') }}
            as identifier_set_id
    from profile_rows as versions
    inner join (
        select distinct
            source_id,
            row_key
        from profile_rows
        where _load_id > {{ seen_unless_anew('stg_landing__profiles') }}
    ) as moved
        on versions.source_id = moved.source_id and versions.row_key = moved.row_key
    union all
    select
        {{ set_id('versions.source_id', 'versions.identifiers') }}
            as identifier_set_id
    from record_rows as versions
    inner join (
        select distinct
            source_id,
            row_key
        from record_rows
        where _load_id > {{ seen_unless_anew('stg_landing__records') }}
    ) as moved
        on versions.source_id = moved.source_id and versions.row_key = moved.row_key
),

-- What nobody has seen by the rules of now, all of it, is to be seen anew.
touched as (
    select identifier_set_id from new_events
    union
    select identifier_set_id from replaced_events
    union
    select identifier_set_id from moved_rows
    union
    select identifier_set_id from held_sets
    where {{ solves_anew() }}
),

-- A person's records repeat the same few sets of identifiers, so everything about
-- identity is computed per distinct set and looked up by records afterwards.
evidence as (
    select
        records.identifier_set_id,
        min(records.source_id) as source_id,
        any_value(records.identifiers) as identifiers,
        min(records.record_id) filter (where not records.is_withdrawn)
            as first_record_id,
        min(records.occurred_at) filter (where not records.is_withdrawn)
            as first_seen_at,
        max(records.occurred_at) filter (where not records.is_withdrawn)
            as last_seen_at,
        {{ min_by('records.record_id', ['records.occurred_at', 'records.record_id']) }}
        filter (where not records.is_withdrawn) as earliest_record_id,
        {{ max_by('records.record_id', ['records.occurred_at', 'records.record_id']) }}
        filter (where not records.is_withdrawn) as latest_record_id
    from records
    inner join touched on records.identifier_set_id = touched.identifier_set_id
    group by records.identifier_set_id
),

final as (
    select
        touched.identifier_set_id,
        evidence.source_id,
        evidence.identifiers,
        evidence.first_record_id,
        evidence.first_seen_at,
        evidence.last_seen_at,
        evidence.earliest_record_id,
        evidence.latest_record_id,
        evidence.identifier_set_id is null as is_gone,
        evidence.identifier_set_id is not null
        and (
            held_sets.identifier_set_id is null
            or {{ solves_anew() }}
        ) as is_new
    from touched
    left join evidence on touched.identifier_set_id = evidence.identifier_set_id
    left join held_sets on touched.identifier_set_id = held_sets.identifier_set_id
    where touched.identifier_set_id is not null
)

select * from final

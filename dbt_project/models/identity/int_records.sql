{{ config(materialized='view') }}

with

events as (select * from {{ ref('int_distinct_events') }}),

profiles as (select * from {{ ref('stg_landing__profiles') }}),

records as (select * from {{ ref('stg_landing__records') }}),

extract_rows as (
    select
        record_id,
        'profiles' as stream,
        source_id,
        row_key,
        op,
        coalesce(observed_at, received_at) as occurred_at,
        identifiers,
        _load_id
    from profiles
    union all
    select
        record_id,
        'records' as stream,
        source_id,
        row_key,
        op,
        coalesce(occurred_at, received_at) as occurred_at,
        identifiers,
        _load_id
    from records
),

-- A row that is deleted later withdraws everything it ever said.
last_deletions as (
    select
        stream,
        source_id,
        row_key,
        max(record_id) as record_id
    from extract_rows
    where op = 'delete'
    group by stream, source_id, row_key
),

final as (
    select
        record_id,
        'events' as stream,
        source_id,
        occurred_at,
        identifier_set_id,
        identifiers,
        false as is_withdrawn,
        _load_id
    from events
    union all
    select
        extract_rows.record_id,
        extract_rows.stream,
        extract_rows.source_id,
        extract_rows.occurred_at,
        {{ set_id('extract_rows.source_id', 'extract_rows.identifiers') }}
            as identifier_set_id,
        extract_rows.identifiers,
        last_deletions.record_id is not null as is_withdrawn,
        extract_rows._load_id
    from extract_rows
    left join last_deletions
        on
            extract_rows.stream = last_deletions.stream
            and extract_rows.source_id = last_deletions.source_id
            and extract_rows.row_key = last_deletions.row_key
            and extract_rows.record_id < last_deletions.record_id
    where extract_rows.op = 'upsert'
)

select * from final

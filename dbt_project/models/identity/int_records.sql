{{ config(materialized='view') }}

with

events as (select * from {{ ref('int_distinct_events') }}),

profiles as (select * from {{ ref('stg_landing__profiles') }}),

records as (select * from {{ ref('stg_landing__records') }}),

final as (
    select
        record_id,
        'events' as stream,
        source_id,
        occurred_at,
        identifier_set_id,
        identifiers,
        _load_id
    from events
    union all
    select
        record_id,
        'profiles' as stream,
        source_id,
        coalesce(observed_at, received_at) as occurred_at,
        {{ hash_bigint("source_id || ':' || " ~ identifiers_text('identifiers')) }}
            as identifier_set_id,
        identifiers,
        _load_id
    from profiles
    where op = 'upsert'
    union all
    select
        record_id,
        'records' as stream,
        source_id,
        coalesce(occurred_at, received_at) as occurred_at,
        {{ hash_bigint("source_id || ':' || " ~ identifiers_text('identifiers')) }}
            as identifier_set_id,
        identifiers,
        _load_id
    from records
    where op = 'upsert'
)

select * from final

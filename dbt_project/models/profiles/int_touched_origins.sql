{{ config(post_hook="{{ remember_run() }}") }}

with

events as (select * from {{ ref('int_distinct_events') }}),

extract_rows as (select * from {{ ref('stg_landing__profiles') }}),

arrived_events as (
    select
        record_id,
        {{ hash_bigint("'event:' || source_id || ':' || event_id") }} as origin_id
    from events
    where _load_id > {{ seen_by_all([
        'int_record_traits', 'int_consent_statements', 'int_consent_contacts',
        'fct_attribute_changes',
    ], 'int_distinct_events') }}
),

-- A version of a row that comes late, or its deletion, changes what the other versions
-- of the row say.
arrived_rows as (
    select distinct
        source_id,
        row_key
    from extract_rows
    where _load_id > {{ seen_by_all([
        'int_record_traits', 'int_consent_statements', 'int_consent_contacts',
        'fct_attribute_changes',
    ], 'stg_landing__profiles') }}
),

final as (
    select * from arrived_events
    union all
    select
        extract_rows.record_id,
        {{ hash_bigint(
            "'row:' || extract_rows.source_id || ':' || extract_rows.row_key"
        ) }} as origin_id
    from extract_rows
    inner join arrived_rows
        on
            extract_rows.source_id = arrived_rows.source_id
            and extract_rows.row_key = arrived_rows.row_key
)

select * from final

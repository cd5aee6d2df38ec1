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

events as (select * from {{ ref('int_distinct_events') }}),

extract_rows as (select * from {{ ref('stg_landing__profiles') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

attribute_paths as (select * from {{ ref('attribute_paths') }}),

touched_events as (
    select
        events.*,
        touched_origins.origin_id
    from events
    inner join touched_origins on events.record_id = touched_origins.record_id
),

-- Traits of a group call describe the group, nobody in it.
event_traits as (
    select
        record_id,
        origin_id,
        source_id,
        occurred_at,
        2 as place,
        cast(traits as {{ dbt.type_string() }}) as traits
    from touched_events
    where traits is not null and event_type <> 'group'
),

-- Traits that ride along in the context of any event.
context_traits as (
    select
        record_id,
        origin_id,
        source_id,
        occurred_at,
        1 as place,
        {{ json_text('context', '$.traits') }} as traits
    from touched_events
    where context is not null
),

-- A row that is deleted later withdraws everything it ever said.
last_deletions as (
    select
        source_id,
        row_key,
        max(record_id) as record_id
    from extract_rows
    where op = 'delete'
    group by source_id, row_key
),

row_traits as (
    select
        extract_rows.record_id,
        touched_origins.origin_id,
        extract_rows.source_id,
        coalesce(extract_rows.observed_at, extract_rows.received_at) as occurred_at,
        2 as place,
        cast(extract_rows.traits as {{ dbt.type_string() }}) as traits,
        last_deletions.record_id is not null as is_withdrawn
    from extract_rows
    inner join touched_origins on extract_rows.record_id = touched_origins.record_id
    left join last_deletions
        on
            extract_rows.source_id = last_deletions.source_id
            and extract_rows.row_key = last_deletions.row_key
            and extract_rows.record_id < last_deletions.record_id
    where extract_rows.op = 'upsert' and extract_rows.traits is not null
),

trait_objects as (
    select
        *,
        false as is_withdrawn
    from event_traits
    union all
    select
        *,
        false as is_withdrawn
    from context_traits
    where traits is not null
    union all
    select * from row_traits
),

-- One row per leaf.
leaves as (
    select
        trait_objects.record_id,
        trait_objects.origin_id,
        trait_objects.source_id,
        trait_objects.occurred_at,
        trait_objects.place,
        trait_objects.is_withdrawn,
        leaf.path as sent_path,
        leaf.value as sent_value
    from trait_objects {{ each_leaf('trait_objects.traits', 'leaf') }}
),

-- Senders spell one attribute in many ways. An empty text says nothing.
final as (
    select
        leaves.origin_id,
        coalesce(attribute_paths.path, leaves.sent_path) as path,
        case
            when leaves.sent_value = 'null' then 'null'
            when leaves.sent_value like '[%' then 'list'
            else 'scalar'
        end as kind,
        nullif(leaves.sent_value, 'null') as value,
        leaves.occurred_at,
        leaves.source_id,
        coalesce(sources.priority, 1000) as source_priority,
        leaves.record_id,
        leaves.place,
        leaves.sent_path,
        leaves.is_withdrawn
    from leaves
    left join attribute_paths
        on
            lower(translate(leaves.sent_path, '_- ', ''))
            = attribute_paths.spelling
    left join sources on leaves.source_id = sources.source_id
    where leaves.sent_value <> '""'
)

select * from final

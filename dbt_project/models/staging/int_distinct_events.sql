{{
    config(
        materialized='incremental',
        unique_key=['source_id', 'event_id'],
        incremental_strategy='delete+insert',
        on_schema_change='fail',
        post_hook="{{ remember({'stg_landing__events': '_load_id'}) }}",
    )
}}

with

landed as (
    select * from {{ ref('stg_landing__events') }}
    {% if is_incremental() %}
    where _load_id > {{ seen('int_distinct_events', 'stg_landing__events') }}
    {% endif %}
),

-- The same event may arrive any number of times; the smallest record is it.
first_records as (
    select
        source_id,
        event_id,
        min(record_id) as record_id
    from landed
    group by source_id, event_id
),

{% if is_incremental() %}
-- Events that an earlier run holds under a smaller record stay as they are.
known as (
    select first_records.record_id
    from first_records
    inner join {{ this }} as held
        on
            first_records.source_id = held.source_id
            and first_records.event_id = held.event_id
    where held.record_id <= first_records.record_id
),

new_records as (
    select record_id from first_records
    except
    select record_id from known
),
{% else %}
new_records as (select record_id from first_records),
{% endif %}

distinct_events as (
    select landed.*
    from landed
    inner join new_records on landed.record_id = new_records.record_id
),

-- Each JSON text is read once for all the fields that many models need.
with_fields as (
    select
        *,
        {{ json_texts('properties', [
            '$.order_id', '$.orderId', '$.product_id', '$.productId',
            '$.currency', '$.revenue', '$.total', '$.order_value', '$.value',
            '$.price', '$.url', '$.path', '$.title', '$.referrer', '$.sku',
            '$.transaction_id', '$.OrderId', '$.ProductID', '$.subscription_id',
            '$.subscriptionId', '$.contract_id', '$.name', '$.product_name',
            '$.ProductName', '$.category', '$.value_currency',
        ]) }} as property_texts,
        {{ json_texts('context', [
            '$.page.url', '$.page.path', '$.page.title', '$.page.referrer',
            '$.campaign.source', '$.campaign.medium', '$.campaign.name',
            '$.campaign.term', '$.campaign.content', '$.userAgent', '$.campaign',
            '$.lastCampaign',
        ]) }} as context_texts
    from distinct_events
),

with_keys as (
    select
        *,
        coalesce(
            nullif({{ nth('context_texts', 1) }}, ''),
            nullif({{ nth('property_texts', 11) }}, '')
        ) as page_url,
        coalesce(
            nullif({{ nth('property_texts', 3) }}, ''),
            nullif({{ nth('property_texts', 4) }}, ''),
            nullif({{ nth('property_texts', 15) }}, ''),
            nullif({{ nth('property_texts', 18) }}, '')
        ) as product_id
    from with_fields
),

final as (
    select
        record_id,
        source_id,
        event_id,
        type as event_type,
        name as event_name,
        lower(trim(translate(name, '_-/.', '    '))) as event_name_key,
        occurred_at,
        received_at,
        original_timestamp,
        sent_at,
        channel,
        {{ identifier_of_type('identifiers', 'anonymous_id') }} as anonymous_id,
        {{ identifier_of_type('identifiers', 'user_id') }} as user_id,
        coalesce(
            nullif({{ nth('property_texts', 1) }}, ''),
            nullif({{ nth('property_texts', 2) }}, ''),
            nullif({{ nth('property_texts', 16) }}, ''),
            nullif({{ nth('property_texts', 17) }}, '')
        ) as order_id,
        coalesce(
            nullif({{ nth('property_texts', 19) }}, ''),
            nullif({{ nth('property_texts', 20) }}, ''),
            nullif({{ nth('property_texts', 21) }}, '')
        ) as subscription_id,
        product_id,
        case
            when product_id is not null
                then
                    coalesce(
                        nullif({{ nth('property_texts', 22) }}, ''),
                        nullif({{ nth('property_texts', 23) }}, ''),
                        nullif({{ nth('property_texts', 24) }}, '')
                    )
        end as product_name,
        case
            when product_id is not null
                then nullif({{ nth('property_texts', 25) }}, '')
        end as product_category,
        upper(
            coalesce(
                nullif(trim({{ nth('property_texts', 5) }}), ''),
                nullif(trim({{ nth('property_texts', 26) }}), '')
            )
        ) as currency,
        cast(
            coalesce(
                try_cast({{ nth('property_texts', 6) }} as decimal(18, 2)),
                try_cast({{ nth('property_texts', 7) }} as decimal(18, 2)),
                try_cast({{ nth('property_texts', 8) }} as decimal(18, 2)),
                try_cast({{ nth('property_texts', 9) }} as decimal(18, 2)),
                try_cast({{ nth('property_texts', 10) }} as decimal(18, 2))
            ) as decimal(18, 2)
        ) as value,
        page_url,
        coalesce({{ nth('context_texts', 2) }}, {{ nth('property_texts', 12) }})
            as page_path,
        coalesce({{ nth('context_texts', 3) }}, {{ nth('property_texts', 13) }})
            as page_title,
        coalesce({{ nth('context_texts', 4) }}, {{ nth('property_texts', 14) }})
            as referrer,
        coalesce(
            nullif({{ nth('context_texts', 5) }}, ''),
            case
                when page_url like '%utm_%'
                    then {{ url_parameter('page_url', 'utm_source') }}
            end
        ) as utm_source,
        coalesce(
            nullif({{ nth('context_texts', 6) }}, ''),
            case
                when page_url like '%utm_%'
                    then {{ url_parameter('page_url', 'utm_medium') }}
            end
        ) as utm_medium,
        coalesce(
            nullif({{ nth('context_texts', 7) }}, ''),
            case
                when page_url like '%utm_%'
                    then {{ url_parameter('page_url', 'utm_campaign') }}
            end
        ) as utm_campaign,
        coalesce(
            nullif({{ nth('context_texts', 8) }}, ''),
            case
                when page_url like '%utm_%'
                    then {{ url_parameter('page_url', 'utm_term') }}
            end
        ) as utm_term,
        coalesce(
            nullif({{ nth('context_texts', 9) }}, ''),
            case
                when page_url like '%utm_%'
                    then {{ url_parameter('page_url', 'utm_content') }}
            end
        ) as utm_content,
        {{ nth('context_texts', 10) }} as user_agent,
        {{ nth('context_texts', 11) }} as campaign_tags,
        {{ nth('context_texts', 12) }} as kept_campaign,
        identifiers,
        {{ hash_bigint("source_id || ':' || " ~ identifiers_text('identifiers')) }}
            as identifier_set_id,
        properties,
        traits,
        context,
        consent,
        _load_id
    from with_keys
)

select * from final

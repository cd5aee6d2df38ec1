with

events as (select * from {{ ref('int_distinct_events') }}),

lines as (select * from {{ ref('fct_order_lines') }}),

catalog as (select * from {{ ref('stg_landing__catalog') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

-- What products were called when somebody looked at them, put them into a cart or
-- ordered them: as few rows as there are ways to call them.
mentions as (
    select
        product_id,
        product_name as name,
        product_category as category,
        min(occurred_at) as first_seen_at,
        max(occurred_at) as last_seen_at
    from events
    where product_id is not null
    group by product_id, product_name, product_category
    union all
    select
        product_id,
        name,
        category,
        min(listed_at) as first_seen_at,
        max(listed_at) as last_seen_at
    from lines
    where product_id is not null
    group by product_id, name, category
),

-- What was said about a product last; a product nobody catalogued is only this.
mentioned as (
    select
        product_id,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        max_by(name, (last_seen_at, name)) filter (where name is not null) as name,
        max_by(category, (last_seen_at, category)) filter (
            where category is not null
        ) as category
    from mentions
    group by product_id
),

latest_versions as (
    select
        source_id,
        row_key,
        max(record_id) as record_id
    from catalog
    group by source_id, row_key
),

catalogued as (
    select
        catalog.product_id,
        catalog.source_id,
        catalog.observed_at,
        {{ json_texts('catalog.properties', [
            '$.name', '$.title', '$.category', '$.price', '$.currency',
        ]) }} as texts,
        sources.default_currency,
        row_number() over (
            partition by catalog.product_id
            order by
                coalesce(sources.priority, 1000) asc,
                catalog.observed_at desc nulls last,
                catalog.record_id desc
        ) as belief
    from catalog
    inner join latest_versions on catalog.record_id = latest_versions.record_id
    left join sources on catalog.source_id = sources.source_id
    where catalog.op = 'upsert' and catalog.product_id is not null
),

believed as (
    select
        product_id,
        source_id,
        observed_at,
        coalesce({{ nth('texts', 1) }}, {{ nth('texts', 2) }}) as name,
        nullif({{ nth('texts', 3) }}, '') as category,
        try_cast({{ nth('texts', 4) }} as decimal(18, 2)) as price,
        coalesce(upper({{ nth('texts', 5) }}), default_currency) as currency
    from catalogued
    where belief = 1
),

final as (
    select
        coalesce(believed.product_id, mentioned.product_id) as product_id,
        coalesce(believed.name, mentioned.name) as name,
        coalesce(believed.category, mentioned.category) as category,
        believed.price,
        case when believed.price is not null then believed.currency end as currency,
        believed.product_id is null as is_skeleton,
        mentioned.first_seen_at,
        mentioned.last_seen_at,
        believed.source_id,
        believed.observed_at as catalogued_at
    from believed
    full outer join mentioned on believed.product_id = mentioned.product_id
)

select * from final

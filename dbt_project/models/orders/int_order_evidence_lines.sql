with

evidence as (select * from {{ ref('int_order_evidence') }}),

-- Lines of a refund are what came back, not what was ordered.
line_lists as (
    select
        record_id,
        order_id,
        case
            when {{ json_text('properties', '$.products') }} is not null
                then {{ json_items('properties', '$.products') }}
            when {{ json_text('properties', '$.line_items') }} is not null
                then {{ json_items('properties', '$.line_items') }}
            else {{ json_items('properties', '$.items') }}
        end as items
    from evidence
    where
        is_row
        or effect not in ('partially_refunded', 'refunded', 'pending_refund')
),

items as (
    select
        line_lists.record_id,
        line_lists.order_id,
        item.item as line,
        {{ json_texts('item.item', [
            '$.product_id', '$.productId', '$.sku', '$.id', '$.name', '$.title',
            '$.category', '$.price', '$.unit_price', '$.quantity', '$.variant',
        ]) }} as texts
    from line_lists {{ each('line_lists.items', 'item') }}
),

with_fields as (
    select
        record_id,
        order_id,
        line,
        nullif(
            coalesce(
                {{ nth('texts', 1) }},
                {{ nth('texts', 2) }},
                {{ nth('texts', 3) }},
                {{ nth('texts', 4) }}
            ),
            ''
        ) as product_id,
        nullif(coalesce({{ nth('texts', 5) }}, {{ nth('texts', 6) }}), '') as name,
        nullif({{ nth('texts', 7) }}, '') as category,
        try_cast(
            coalesce({{ nth('texts', 8) }}, {{ nth('texts', 9) }}) as decimal(18, 2)
        ) as price,
        coalesce(try_cast({{ nth('texts', 10) }} as decimal(18, 3)), 1) as quantity,
        nullif({{ nth('texts', 11) }}, '') as variant
    from items
),

final as (
    select
        record_id,
        order_id,
        row_number() over (
            partition by record_id
            order by product_id asc nulls last, line asc
        ) as line_number,
        product_id,
        name,
        category,
        variant,
        price,
        quantity,
        cast(price * quantity as decimal(18, 2)) as amount
    from with_fields
)

select * from final

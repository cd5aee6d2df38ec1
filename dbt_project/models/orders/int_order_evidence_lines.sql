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
            when {{ json_text('properties', '$.items') }} is not null
                then {{ json_items('properties', '$.items') }}
            else {{ json_items('properties', '$.Items') }}
        end as items
    from evidence
    where
        standing = 'counts'
        and (
            kind = 'row'
            or (
                kind = 'event'
                and effect not in ('partially_refunded', 'refunded', 'pending_refund')
            )
        )
),

items as (
    select
        line_lists.record_id,
        line_lists.order_id,
        item.item as line,
        {{ json_texts('item.item', [
            '$.product_id', '$.productId', '$.item_id', '$.ProductID', '$.sku', '$.SKU',
            '$.id', '$.name', '$.title', '$.item_name', '$.ProductName', '$.category',
            '$.item_category', '$.price', '$.unit_price', '$.ItemPrice', '$.quantity',
            '$.Quantity', '$.variant', '$.item_variant',
        ]) }} as texts
    from line_lists {{ each('line_lists.items', 'item') }}
),

-- Dialects call the same field by several names.
with_fields as (
    select
        record_id,
        order_id,
        line,
        coalesce(
            nullif({{ nth('texts', 1) }}, ''),
            nullif({{ nth('texts', 2) }}, ''),
            nullif({{ nth('texts', 3) }}, ''),
            nullif({{ nth('texts', 4) }}, ''),
            nullif({{ nth('texts', 5) }}, ''),
            nullif({{ nth('texts', 6) }}, ''),
            nullif({{ nth('texts', 7) }}, '')
        ) as product_id,
        coalesce(
            nullif({{ nth('texts', 8) }}, ''),
            nullif({{ nth('texts', 9) }}, ''),
            nullif({{ nth('texts', 10) }}, ''),
            nullif({{ nth('texts', 11) }}, '')
        ) as name,
        coalesce(nullif({{ nth('texts', 12) }}, ''), nullif({{ nth('texts', 13) }}, ''))
            as category,
        try_cast(
            coalesce(
                {{ nth('texts', 14) }}, {{ nth('texts', 15) }}, {{ nth('texts', 16) }}
            ) as decimal(18, 2)
        ) as price,
        coalesce(
            try_cast(
                coalesce({{ nth('texts', 17) }}, {{ nth('texts', 18) }})
                as decimal(18, 3)
            ),
            1
        ) as quantity,
        coalesce(nullif({{ nth('texts', 19) }}, ''), nullif({{ nth('texts', 20) }}, ''))
            as variant
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

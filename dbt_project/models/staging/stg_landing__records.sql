with

records as (select * from {{ source('raw', 'records') }}),

-- The version of the row that landed just before.
with_previous as (
    select
        *,
        lag(row_hash) over (
            partition by source_id, row_key
            order by record_id asc
        ) as previous_hash,
        lag(op) over (
            partition by source_id, row_key
            order by record_id asc
        ) as previous_op
    from records
),

-- A version equal to the one before it says nothing new.
final as (
    select
        record_id,
        source_id,
        received_at,
        contract,
        contract_version,
        row_key,
        op,
        row_hash,
        file,
        line,
        record_type,
        order_id,
        occurred_at,
        source_status,
        effect,
        identifiers,
        properties,
        _load_id
    from with_previous
    where previous_hash is null or previous_hash <> row_hash or previous_op <> op
)

select * from final

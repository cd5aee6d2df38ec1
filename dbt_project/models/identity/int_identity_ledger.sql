{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='identifier_id',
        on_schema_change='fail',
        post_hook="{{ remember({'stg_landing__identity_changes': '_load_id'}) }}",
    )
}}

with

identity_changes as (select * from {{ ref('stg_landing__identity_changes') }}),

landed as (
    select
        {{ hash_bigint("identifier_type || ':' || identifier_value") }}
            as identifier_id,
        profile_id,
        record_id
    from identity_changes
    {% if is_incremental() %}
    where
        _load_id > {{ seen('int_identity_ledger', 'stg_landing__identity_changes') }}
    {% endif %}
),

newest as (
    select
        identifier_id,
        max_by(profile_id, record_id) as profile_id,
        max(record_id) as record_id
    from landed
    group by identifier_id
),

{% if is_incremental() %}
-- A segment that was sealed late may hold what is older than what is known.
older as (
    select newest.identifier_id
    from newest
    inner join {{ this }} as held
        on
            newest.identifier_id = held.identifier_id
            and newest.record_id < held.record_id
),
{% else %}
older as (
    select identifier_id from newest
    where 1 = 0
),
{% endif %}

final as (
    select newest.*
    from newest
    left join older on newest.identifier_id = older.identifier_id
    where older.identifier_id is null
)

select * from final

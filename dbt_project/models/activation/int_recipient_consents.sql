-- May this recipient be addressed for the sync's purpose? Asked for everyone who would
-- be sent and everyone who is there. A request to be erased outweighs everything.
with

syncs as (select * from {{ ref('syncs') }}),

purposes as (select * from {{ ref('purposes') }}),

candidates as (select * from {{ ref('int_sync_candidates') }}),

delivered as (select * from {{ ref('int_sync_delivered') }}),

consents as (select * from {{ ref('dim_consents') }}),

identifiers as (select * from {{ ref('dim_identifiers') }}),

requests as (select * from {{ ref('stg_landing__privacy_requests') }}),

asked as (
    select
        sync_name,
        recipient_key,
        profile_id
    from candidates
    where recipient_key is not null
    union
    select
        sync_name,
        recipient_key,
        profile_id
    from delivered
    where is_present
),

consent as (
    {{ consent_obstacles('asked', 'syncs', 'sync_name') }}
),

-- Whom requests to be erased are about, by the identifiers that they name.
named as (
    select
        item.item.type as identifier_type,
        case
            when item.item.type = 'email' then lower(trim(item.item.value))
            else trim(item.item.value)
        end as identifier_value,
        coalesce(
            requests.due_at,
            requests.requested_at + interval {{ var('erasure_days') }} day
        ) as erase_by
    from requests {{ each('requests.identifiers', 'item') }}
    where requests.request_type = 'erasure'
),

-- The recipient that was named, and whoever is the same person.
to_erase as (
    select
        asked.sync_name,
        asked.recipient_key,
        asked.profile_id,
        named.erase_by
    from named
    inner join identifiers
        on
            named.identifier_type = identifiers.identifier_type
            and named.identifier_value = identifiers.identifier_value
    inner join asked
        on identifiers.profile_id = asked.profile_id
    union all
    select
        asked.sync_name,
        asked.recipient_key,
        asked.profile_id,
        named.erase_by
    from named
    inner join syncs
        on named.identifier_type = syncs.recipient_type
    inner join asked
        on
            syncs.sync_name = asked.sync_name
            and named.identifier_value = asked.recipient_key
),

erased as (
    select
        sync_name,
        recipient_key,
        profile_id,
        min(erase_by) as erase_by
    from to_erase
    group by sync_name, recipient_key, profile_id
),

final as (
    select
        consent.sync_name,
        consent.recipient_key,
        consent.profile_id,
        erased.erase_by,
        case
            when erased.recipient_key is not null then 'erased'
            else consent.obstacle
        end as obstacle
    from consent
    left join erased
        on
            consent.sync_name = erased.sync_name
            and consent.recipient_key = erased.recipient_key
            and consent.profile_id = erased.profile_id
)

select * from final

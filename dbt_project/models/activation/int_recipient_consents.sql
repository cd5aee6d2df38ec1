-- May this recipient be addressed for the sync's purpose? Asked for everyone who would
-- be sent and everyone who is there. Two kinds of consent speak about a recipient: the
-- one given for the very contact point, and the one given for the person as a whole
-- (under a user id or a cookie). Consent for another address of the same person does
-- not count, unless the sync addresses the person and not an address. One denial
-- outweighs any grant, and a request to be erased outweighs everything.
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

-- Consent for all channels, or for the channel of the sync.
relevant as (
    select
        syncs.sync_name,
        syncs.recipient_type,
        consents.contact_type,
        consents.contact_value,
        consents.state
    from syncs
    inner join consents
        on syncs.purpose = consents.purpose
    where
        syncs.channel = 'any'
        or coalesce(consents.channel, '') in ('', 'all', syncs.channel)
),

spoken as (
    select
        asked.sync_name,
        asked.recipient_key,
        asked.profile_id,
        relevant.state
    from asked
    inner join relevant
        on
            asked.sync_name = relevant.sync_name
            and relevant.recipient_type = relevant.contact_type
            and asked.recipient_key = relevant.contact_value
    union all
    select
        asked.sync_name,
        asked.recipient_key,
        asked.profile_id,
        relevant.state
    from asked
    inner join identifiers
        on asked.profile_id = identifiers.profile_id
    inner join relevant
        on
            asked.sync_name = relevant.sync_name
            and identifiers.identifier_type = relevant.contact_type
            and identifiers.identifier_value = relevant.contact_value
    where
        relevant.contact_type not in ('email', 'phone')
        or relevant.recipient_type not in ('email', 'phone')
),

weighed as (
    select
        sync_name,
        recipient_key,
        profile_id,
        max(case when state = 'denied' then 1 else 0 end) as denied,
        max(case when state = 'granted' then 1 else 0 end) as granted
    from spoken
    group by sync_name, recipient_key, profile_id
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
        asked.sync_name,
        asked.recipient_key,
        asked.profile_id,
        erased.erase_by,
        case
            when erased.recipient_key is not null then 'erased'
            when purposes.enforcement = 'off' then null
            when weighed.denied = 1 then 'consent_denied'
            when purposes.enforcement = 'opt_out' or weighed.granted = 1 then null
            else 'no_consent'
        end as obstacle
    from asked
    inner join syncs
        on asked.sync_name = syncs.sync_name
    left join purposes
        on syncs.purpose = purposes.purpose
    left join weighed
        on
            asked.sync_name = weighed.sync_name
            and asked.recipient_key = weighed.recipient_key
            and asked.profile_id = weighed.profile_id
    left join erased
        on
            asked.sync_name = erased.sync_name
            and asked.recipient_key = erased.recipient_key
            and asked.profile_id = erased.profile_id
)

select * from final

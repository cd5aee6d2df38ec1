-- Every member of every sync's audience, with the keys the destination would know them
-- by and what it would be told. A sync that was retired has no members.
with

syncs as (select * from {{ ref('syncs') }}),

mappings as (select * from {{ ref('sync_mappings') }}),

members as (select * from {{ ref('int_audiences_evaluated') }}),

profiles as (select * from {{ ref('dim_profiles') }}),

identifiers as (select * from {{ ref('dim_identifiers') }}),

delivered as (select * from {{ ref('int_sync_delivered') }}),

audiences as (
    select
        audience_name,
        profile_id,
        instance_key,
        attributes
    from members
    union all
    select
        'dim_profiles' as audience_name,
        profile_id,
        '' as instance_key,
        {{ json_object_of({}) }} as attributes
    from profiles
),

synced as (
    select
        syncs.sync_name,
        syncs.mode,
        syncs.recipient_type,
        syncs.mapping_version,
        audiences.profile_id,
        audiences.instance_key,
        audiences.attributes
    from syncs
    inner join audiences
        on syncs.audience_name = audiences.audience_name
    where syncs.state = 'active'
),

-- What the destination is told, in its own words: an attribute of the audience, else of
-- the profile.
members_of_payloads as (
    select
        synced.sync_name,
        synced.profile_id,
        synced.instance_key,
        '"' || mappings.field || '":' || coalesce(
            {{ json_member_value('synced.attributes', 'mappings.attribute') }},
            {{ column_as_json('profiles', 'dim_profiles', 'mappings.attribute') }},
            'null'
        ) as member
    from mappings
    inner join synced
        on mappings.sync_name = synced.sync_name
    left join profiles
        on synced.profile_id = profiles.profile_id
),

payloads as (
    select
        sync_name,
        profile_id,
        instance_key,
        {{ json_object_of_members('array_agg(member)') }} as payload
    from members_of_payloads
    group by sync_name, profile_id, instance_key
),

-- A profile id is a moving name. Whoever is there under an older one stays there under
-- it.
known_as as (
    select
        sync_name,
        profile_id,
        min_by(
            recipient_key,
            (case when recipient_key = profile_id then 0 else 1 end, recipient_key)
        ) as recipient_key
    from delivered
    where is_present
    group by sync_name, profile_id
),

named as (
    select
        synced.*,
        coalesce(payloads.payload, synced.attributes) as payload,
        case synced.recipient_type
            when 'user_id' then profiles.user_id
            when 'email' then profiles.email
            when 'phone' then profiles.phone
            when 'profile_id' then coalesce(known_as.recipient_key, synced.profile_id)
            else identifiers.identifier_value
        end as recipient_key
    from synced
    left join profiles
        on synced.profile_id = profiles.profile_id
    left join identifiers
        on
            synced.recipient_type not in ('user_id', 'email', 'phone', 'profile_id')
            and synced.recipient_type = identifiers.identifier_type
            and synced.profile_id = identifiers.profile_id
    left join known_as
        on
            synced.recipient_type = 'profile_id'
            and synced.sync_name = known_as.sync_name
            and synced.profile_id = known_as.profile_id
    left join payloads
        on
            synced.sync_name = payloads.sync_name
            and synced.profile_id = payloads.profile_id
            and synced.instance_key = payloads.instance_key
),

final as (
    select
        sync_name,
        mode,
        profile_id,
        instance_key,
        recipient_type,
        nullif(trim(recipient_key), '') as recipient_key,
        payload,
        {{ sha256_hex('cast(payload as ' ~ dbt.type_string() ~ ')') }} as payload_hash,
        mapping_version
    from named
)

select * from final

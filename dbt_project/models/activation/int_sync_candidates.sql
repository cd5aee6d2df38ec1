-- Every member of every sync's audience, with the key the destination would know them
-- by and what it would be told.
with

syncs as (select * from {{ ref('syncs') }}),

members as (select * from {{ ref('int_audiences_evaluated') }}),

profiles as (select * from {{ ref('dim_profiles') }}),

delivered as (select * from {{ ref('int_sync_delivered') }}),

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
        syncs.sync_name,
        members.profile_id,
        members.instance_key,
        syncs.recipient_type,
        syncs.mapping_version,
        members.attributes,
        cast(members.attributes as {{ dbt.type_string() }}) as attributes_text,
        case syncs.recipient_type
            when 'user_id' then profiles.user_id
            when 'email' then profiles.email
            when 'phone' then profiles.phone
            when 'profile_id' then coalesce(known_as.recipient_key, members.profile_id)
        end as recipient_key
    from syncs
    inner join members
        on syncs.audience_name = members.audience_name
    left join profiles
        on members.profile_id = profiles.profile_id
    left join known_as
        on
            syncs.sync_name = known_as.sync_name
            and members.profile_id = known_as.profile_id
),

final as (
    select
        sync_name,
        profile_id,
        instance_key,
        recipient_type,
        nullif(trim(recipient_key), '') as recipient_key,
        attributes as payload,
        {{ sha256_hex('attributes_text') }} as payload_hash,
        mapping_version
    from named
)

select * from final

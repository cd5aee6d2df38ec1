-- Every member of every sync's audience, with the one reason for which they are not
-- sent; NULL for those who are.
with

candidates as (select * from {{ ref('int_sync_candidates') }}),

consents as (select * from {{ ref('int_recipient_consents') }}),

syncs as (select * from {{ ref('syncs') }}),

holdouts as (select * from {{ ref('int_holdouts') }}),

checked as (
    select
        candidates.*,
        case
            when candidates.recipient_key is null then 'no_identifier'
            when
                candidates.recipient_type = 'email'
                and candidates.recipient_key not like '%_@_%' then 'invalid_identifier'
            when consents.obstacle is not null then consents.obstacle
            when holdouts.profile_id is not null then 'holdout'
        end as obstacle
    from candidates
    left join consents
        on
            candidates.sync_name = consents.sync_name
            and candidates.recipient_key = consents.recipient_key
            and candidates.profile_id = consents.profile_id
    left join syncs
        on candidates.sync_name = syncs.sync_name
    left join holdouts
        on
            syncs.audience_name = holdouts.audience_name
            and candidates.profile_id = holdouts.profile_id
),

-- A destination knows one person per key, and tells one event per instance. Of several
-- who may be sent, the first by id stands for all.
ranked as (
    select
        checked.*,
        row_number() over (
            partition by
                sync_name,
                recipient_key,
                obstacle,
                case when mode = 'events' then instance_key end
            order by profile_id, instance_key
        ) as place
    from checked
),

final as (
    select
        sync_name,
        mode,
        profile_id,
        instance_key,
        recipient_type,
        recipient_key,
        payload,
        payload_hash,
        mapping_version,
        case
            when obstacle is null and place > 1 then 'duplicate_recipient'
            else obstacle
        end as reason
    from ranked
)

select * from final

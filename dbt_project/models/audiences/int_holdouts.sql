-- Members whom no destination is told about, so that the effect of telling can be
-- measured. The group is decided by the id under which a person first entered the
-- audience, so neither a promotion nor a merge moves whoever was there first.
with

members as (select * from {{ ref('int_audiences_evaluated') }}),

landed as (
    select * from {{ ref('stg_landing__membership_changes') }}
    where action = 'enter'
),

profile_ids as (select * from {{ ref('dim_profile_ids') }}),

holdouts as (
    {{ declared_holdouts() }}
),

first_ids as (
    select
        landed.audience_name,
        coalesce(profile_ids.profile_id, landed.profile_id) as profile_id,
        min_by(landed.profile_id, landed.record_id) as first_profile_id
    from landed
    left join profile_ids on landed.profile_id = profile_ids.any_profile_id
    group by 1, 2
),

drawn as (
    select distinct
        members.audience_name,
        members.profile_id,
        holdouts.bucket_count,
        {{ holdout_bucket(
            'holdouts.salt',
            'coalesce(first_ids.first_profile_id, members.profile_id)',
        ) }} as bucket
    from members
    inner join holdouts on members.audience_name = holdouts.audience_name
    left join first_ids
        on
            members.audience_name = first_ids.audience_name
            and members.profile_id = first_ids.profile_id
),

final as (
    select
        audience_name,
        profile_id
    from drawn
    where bucket < bucket_count
)

select * from final

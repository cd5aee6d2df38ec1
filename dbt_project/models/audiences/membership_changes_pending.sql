-- What changed since the memberships that were landed: these rows are landed after the
-- refresh, and are empty then. Persons are compared, not ids: an open membership
-- belongs to whoever its profile id leads to today.
with

evaluated as (select * from {{ ref('int_audiences_evaluated') }}),

landed as (select * from {{ ref('stg_landing__membership_changes') }}),

profile_ids as (select * from {{ ref('dim_profile_ids') }}),

identity_changes as (select * from {{ ref('identity_changes_pending') }}),

-- Both sides of profiles that this refresh took apart.
splits as (
    select previous_profile_id as profile_id
    from identity_changes
    where reason = 'split' and previous_profile_id is not null
    union
    select profile_id
    from identity_changes
    where reason = 'split'
),

-- The last word on every membership ever landed.
latest as (
    select
        audience_name,
        profile_id,
        instance_key,
        max(record_id) as record_id,
        max_by(action, record_id) as action
    from landed
    group by audience_name, profile_id, instance_key
),

open_memberships as (
    select
        latest.audience_name,
        latest.profile_id as entered_profile_id,
        latest.instance_key,
        coalesce(profile_ids.profile_id, latest.profile_id) as profile_id,
        latest.record_id
    from latest
    left join profile_ids
        on latest.profile_id = profile_ids.any_profile_id
    where latest.action = 'enter'
),

-- One open membership per person goes on: the one under today's id, else the oldest.
ranked as (
    select
        open_memberships.*,
        row_number() over (
            partition by audience_name, profile_id, instance_key
            order by
                case when entered_profile_id = profile_id then 0 else 1 end,
                record_id
        ) as place
    from open_memberships
),

exits as (
    select
        ranked.audience_name,
        ranked.entered_profile_id as profile_id,
        ranked.instance_key,
        'exit' as action,
        case
            when ranked.place > 1 then 'merged'
            when splits.profile_id is not null then 'split'
            else 'no_longer_met'
        end as reason
    from ranked
    left join splits
        on ranked.profile_id = splits.profile_id
    left join evaluated
        on
            ranked.audience_name = evaluated.audience_name
            and ranked.profile_id = evaluated.profile_id
            and ranked.instance_key = evaluated.instance_key
    where ranked.place > 1 or evaluated.profile_id is null
),

enters as (
    select
        evaluated.audience_name,
        evaluated.profile_id,
        evaluated.instance_key,
        'enter' as action,
        case when splits.profile_id is not null then 'split' else 'met' end as reason
    from evaluated
    left join splits
        on evaluated.profile_id = splits.profile_id
    left join ranked
        on
            evaluated.audience_name = ranked.audience_name
            and evaluated.profile_id = ranked.profile_id
            and evaluated.instance_key = ranked.instance_key
    where ranked.profile_id is null
),

final as (
    select
        {{ as_of() }} as as_of,
        changes.*
    from (
        select * from exits
        union all
        select * from enters
    ) as changes
)

select * from final

-- What changed since the memberships that were landed: these rows are landed after the
-- refresh, and are empty then. Persons are compared, not ids: an open membership
-- belongs to whoever its profile id leads to today.
with

evaluated as (select * from {{ ref('int_audiences_evaluated') }}),

landed as (select * from {{ ref('stg_landing__membership_changes') }}),

profile_ids as (select * from {{ ref('dim_profile_ids') }}),

identity_changes as (select * from {{ ref('identity_changes_pending') }}),

requests as (
    select * from {{ ref('stg_landing__privacy_requests') }}
    where request_type = 'erasure'
),

consents as (select * from {{ ref('dim_consents') }}),

declared as (
    {{ declared_audiences() }}
),

-- By which model each audience was last decided.
defined as (
    select
        audience_name,
        max_by(definition, record_id) as definition
    from landed
    where action = 'define'
    group by audience_name
),

definitions as (
    select
        declared.audience_name,
        declared.definition,
        declared.purpose,
        declared.asks_consent,
        defined.audience_name is null or defined.definition <> declared.definition
            as is_new,
        coalesce(defined.definition <> declared.definition, false) as is_changed
    from declared
    left join defined on declared.audience_name = defined.audience_name
),

requested as (
    select
        item.item.type as identifier_type,
        case
            when item.item.type = 'email' then lower(trim(item.item.value))
            else trim(item.item.value)
        end as identifier_value
    from requests {{ each('requests.identifiers', 'item') }}
),

-- An id is the hash of an identifier, so whom an erasure means is known without their
-- data.
erased_ids as (
    select {{ profile_id('identifier_type', 'identifier_value') }} as any_profile_id
    from requested
),

erased as (
    select any_profile_id as profile_id
    from erased_ids
    union
    select profile_ids.profile_id
    from erased_ids
    inner join profile_ids on erased_ids.any_profile_id = profile_ids.any_profile_id
),

denials as (
    select
        profile_id,
        purpose,
        max(since) as denied_at
    from consents
    where state = 'denied' and profile_id is not null
    group by profile_id, purpose
),

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
        max_by(action, record_id) as action,
        max_by(as_of, record_id) as entered_at
    from landed
    where action <> 'define'
    group by audience_name, profile_id, instance_key
),

open_memberships as (
    select
        latest.audience_name,
        latest.profile_id as entered_profile_id,
        latest.instance_key,
        coalesce(profile_ids.profile_id, latest.profile_id) as profile_id,
        latest.record_id,
        latest.entered_at
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
            when erased.profile_id is not null then 'erased'
            when definitions.audience_name is null or definitions.is_changed
                then 'definition_changed'
            when definitions.asks_consent and denials.denied_at > ranked.entered_at
                then 'consent_withdrawn'
            else 'no_longer_met'
        end as reason,
        cast(null as {{ dbt.type_string() }}) as definition
    from ranked
    left join definitions on ranked.audience_name = definitions.audience_name
    left join erased on ranked.profile_id = erased.profile_id
    left join denials
        on
            ranked.profile_id = denials.profile_id
            and definitions.purpose = denials.purpose
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
        case
            when splits.profile_id is not null then 'split'
            when definitions.is_changed then 'definition_changed'
            else 'met'
        end as reason,
        cast(null as {{ dbt.type_string() }}) as definition
    from evaluated
    left join definitions on evaluated.audience_name = definitions.audience_name
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
        union all
        select
            audience_name,
            '' as profile_id,
            '' as instance_key,
            'define' as action,
            'defined' as reason,
            definition
        from definitions
        where is_new
    ) as changes
)

select * from final

with

identifiers as (select * from {{ ref('dim_identifiers') }}),

demotions as (select * from {{ ref('fct_identity_demotions') }}),

profile_merges as (select * from {{ ref('fct_profile_merges') }}),

attribute_changes as (select * from {{ ref('fct_attribute_changes') }}),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

set_profiles as (select * from {{ ref('int_set_profiles') }}),

profiles as (select * from {{ ref('int_profiles') }}),

events as (select * from {{ ref('fct_events') }}),

-- A shared identifier is nobody's, so it makes no profile larger.
sizes as (
    select
        profile_id,
        count(*) as identifier_count,
        case
            when count(*) <= 2 then '1 to 2'
            when count(*) <= 5 then '3 to 5'
            when count(*) <= 10 then '6 to 10'
            when count(*) <= 50 then '11 to 50'
            when count(*) <= 200 then '51 to 200'
            else 'over 200'
        end as size_band
    from identifiers
    where not is_shared
    group by profile_id
),

totals as (
    select
        (select count(*) from identifiers) as identifier_count,
        (select count(*) from sizes) as profile_count,
        (select count(*) from identifiers) >= {{ var('identity_judged_from') }}
            as is_judged
),

size_bands as (
    select
        size_band as label,
        count(*) as amount
    from sizes
    group by size_band
),

-- The few largest profiles: a giant among them is a value that many people send.
giants as (
    select
        profile_id as label,
        identifier_count as amount
    from (
        select
            profile_id,
            identifier_count,
            row_number() over (
                order by identifier_count desc, profile_id asc
            ) as place
        from sizes
    ) as placed
    where place <= 5
),

demoted as (
    select
        demotion || ': ' || rule as label,
        count(*) as amount
    from demotions
    group by demotion || ': ' || rule
),

shared as (
    select
        identifier_type as label,
        count(*) as identifier_count,
        sum(case when is_shared then 1 else 0 end) as amount
    from identifiers
    group by identifier_type
),

-- Whether the profile of an address was given more first names than one person has.
names_per_email as (
    select
        emails.identifier_id,
        case
            when
                count(distinct lower(attribute_changes.new_value))
                > {{ var('identity_names_per_email') }}
                then 1
            else 0
        end as is_crowd
    from identifiers as emails
    left join attribute_changes
        on
            emails.profile_id = attribute_changes.profile_id
            and attribute_changes.path = 'first_name'
    where emails.identifier_type = 'email' and not emails.is_shared
    group by emails.identifier_id
),

many_names as (
    select
        count(*) as email_count,
        sum(is_crowd) as amount
    from names_per_email
),

-- Every change of the ledger, per refresh that saw it.
ledger as (
    select
        reason as label,
        changed_at,
        count(*) as amount
    from profile_merges
    group by reason, changed_at
),

set_months as (
    select
        identifier_set_id,
        cast(date_trunc('month', occurred_at) as date) as first_of_month,
        count(*) as event_count
    from events
    where identifier_set_id is not null
    group by identifier_set_id, cast(date_trunc('month', occurred_at) as date)
),

-- Events that nothing but a device names, and how many of them have found a person.
stitched as (
    select
        set_months.first_of_month,
        sum(set_months.event_count) as event_count,
        sum(
            case
                when profiles.profile_kind = 'anchor' then set_months.event_count
                else 0
            end
        ) as amount
    from set_months
    inner join set_profiles
        on set_months.identifier_set_id = set_profiles.identifier_set_id
    inner join identifiers on set_profiles.identifier_id = identifiers.identifier_id
    inner join identifier_rules
        on identifiers.identifier_type = identifier_rules.identifier_type
    inner join profiles on set_profiles.profile_id = profiles.profile_id
    where not identifier_rules.is_anchor
    group by set_months.first_of_month
),

measures as (
    select
        'profiles by identifiers' as measure,
        label,
        cast(null as timestamp) as measured_at,
        amount,
        null as percentage,
        null as threshold,
        false as is_breached
    from size_bands
    union all
    select
        'largest profiles' as measure,
        label,
        null as measured_at,
        amount,
        null as percentage,
        {{ var('identity_largest_profile') }} as threshold,
        amount > {{ var('identity_largest_profile') }} as is_breached
    from giants
    union all
    select
        'demotions' as measure,
        label,
        null as measured_at,
        amount,
        null as percentage,
        null as threshold,
        false as is_breached
    from demoted
    union all
    select
        'shared identifiers' as measure,
        label,
        null as measured_at,
        amount,
        100.0 * amount / identifier_count as percentage,
        {{ var('identity_shared_percent') }} as threshold,
        identifier_count >= {{ var('identity_judged_from') }}
        and 100.0 * amount / identifier_count > {{ var('identity_shared_percent') }}
            as is_breached
    from shared
    union all
    select
        'e-mails with many names' as measure,
        'email' as label,
        null as measured_at,
        coalesce(amount, 0) as amount,
        100.0 * amount / nullif(email_count, 0) as percentage,
        {{ var('identity_many_names_percent') }} as threshold,
        email_count >= {{ var('identity_judged_from') }}
        and 100.0 * amount / nullif(email_count, 0)
        > {{ var('identity_many_names_percent') }} as is_breached
    from many_names
    union all
    select
        'changes of profiles' as measure,
        ledger.label,
        ledger.changed_at as measured_at,
        ledger.amount,
        100.0 * ledger.amount / nullif(totals.profile_count, 0) as percentage,
        case
            when ledger.label in ('merge', 'split')
                then {{ var('identity_changed_percent') }}
        end as threshold,
        totals.is_judged
        and ledger.label in ('merge', 'split')
        and ledger.changed_at = {{ as_of() }}
        and 100.0 * ledger.amount / nullif(totals.profile_count, 0)
        > {{ var('identity_changed_percent') }} as is_breached
    from ledger
    cross join totals
    union all
    select
        'stitched device events' as measure,
        'by month' as label,
        cast(first_of_month as timestamp) as measured_at,
        amount,
        100.0 * amount / nullif(event_count, 0) as percentage,
        null as threshold,
        false as is_breached
    from stitched
),

final as (
    select
        measure,
        label,
        measured_at,
        cast(amount as bigint) as amount,
        cast(percentage as decimal(18, 2)) as percentage,
        cast(threshold as decimal(18, 2)) as threshold,
        coalesce(is_breached, false) as is_breached
    from measures
)

select * from final

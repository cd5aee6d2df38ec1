-- Compiled from audiences/newsletter_eligible.yml: edit that, then
-- `python -m orchestration.audience compile`.
with

profiles as (select * from {{ ref('dim_profiles') }}),

consents as (select * from {{ ref('dim_consents') }}),

-- consent: marketing, channel: email, contact: email; each contact point by itself
consents_1_contacts as (
    select
        profile_id,
        contact_type,
        contact_value,
        max(case when state = 'granted' then 1 else 0 end) as is_granted,
        max(case when state = 'denied' then 1 else 0 end) as is_denied
    from consents
    where
        purpose = 'marketing'
        and channel in ('all', 'email')
        and contact_type = 'email'
    group by profile_id, contact_type, contact_value
),

consents_1 as (
    select
        profile_id,
        count(*) as row_count
    from consents_1_contacts
    where
        is_granted = 1
        and is_denied = 0
    group by profile_id
),

final as (
    select
        profiles.profile_id,
        profiles.first_name,
        profiles.language
    from profiles
    left join consents_1 on profiles.profile_id = consents_1.profile_id
    where
        profiles.reachable_by_email = true
        and coalesce(consents_1.row_count, 0) >= 1
)

select * from final

with

statements as (select * from {{ ref('int_consent_statements') }}),

contacts as (select * from {{ ref('int_consent_contacts') }}),

said as (
    select
        contacts.contact_type,
        contacts.contact_value,
        contacts.purpose,
        contacts.channel,
        contacts.state,
        contacts.record_id,
        statements.source_id,
        statements.occurred_at,
        statements.evidence,
        min(statements.previous_state) as previous_state
    from contacts
    inner join statements
        on
            contacts.record_id = statements.record_id
            and contacts.purpose = statements.purpose
            and contacts.channel = statements.channel
            and contacts.state = statements.state
    group by
        contacts.contact_type,
        contacts.contact_value,
        contacts.purpose,
        contacts.channel,
        contacts.state,
        contacts.record_id,
        statements.source_id,
        statements.occurred_at,
        statements.evidence
),

-- Grants of an extract that were not seen to change there: nobody knows how old
-- they are.
undated_grants as (
    select * from said
    where
        evidence = 'extract'
        and state = 'granted'
        and previous_state is distinct from 'denied'
),

-- Such a grant is no newer evidence than a denial that was there before it.
overruled as (
    select distinct
        undated_grants.contact_type,
        undated_grants.contact_value,
        undated_grants.purpose,
        undated_grants.channel,
        undated_grants.record_id
    from undated_grants
    inner join said as denials
        on
            undated_grants.contact_type = denials.contact_type
            and undated_grants.contact_value = denials.contact_value
            and undated_grants.purpose = denials.purpose
    where
        denials.state = 'denied'
        and denials.occurred_at <= undated_grants.occurred_at
        and (
            undated_grants.channel = denials.channel
            or undated_grants.channel = 'all'
            or denials.channel = 'all'
        )
),

final as (
    select
        said.contact_type,
        said.contact_value,
        said.purpose,
        said.channel,
        said.state,
        said.occurred_at,
        said.source_id,
        said.record_id,
        said.evidence,
        said.state = 'denied' or overruled.record_id is null as is_counted
    from said
    left join overruled
        on
            said.contact_type = overruled.contact_type
            and said.contact_value = overruled.contact_value
            and said.purpose = overruled.purpose
            and said.channel = overruled.channel
            and said.record_id = overruled.record_id
)

select * from final

with

statements as (select * from {{ ref('int_consent_statements') }}),

contacts as (select * from {{ ref('int_consent_contacts') }}),

reached as (
    select distinct
        record_id,
        purpose,
        channel,
        state
    from contacts
),

-- What was said about consent and could not be understood; nothing is guessed.
final as (
    select
        statements.record_id,
        statements.source_id,
        statements.occurred_at,
        statements.evidence,
        statements.sent_purpose,
        statements.sent_channel,
        statements.sent_status,
        case
            when statements.purpose is null then 'unknown_purpose'
            when statements.state is null then 'unknown_status'
            else 'no_contact_point'
        end as reason
    from statements
    left join reached
        on
            statements.record_id = reached.record_id
            and statements.purpose = reached.purpose
            and statements.channel = reached.channel
            and statements.state = reached.state
    where reached.record_id is null
)

select * from final

with

statements as (select * from {{ ref('int_consent_statements') }}),

record_identifiers as (select * from {{ ref('int_record_identifiers') }}),

identifiers as (select * from {{ ref('dim_identifiers') }}),

phone_numbers as (select * from {{ ref('stg_landing__phone_numbers') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

known as (
    select distinct
        record_id,
        purpose,
        channel,
        state,
        contact
    from statements
    where purpose is not null and state is not null
),

-- A contact point that the statement names itself.
named as (
    select
        known.record_id,
        known.purpose,
        known.channel,
        known.state,
        case when known.contact like '%@%' then 'email' else 'phone' end
            as contact_type,
        case
            when known.contact like '%@%' then lower(known.contact)
            when phone_numbers.e164 is not null then phone_numbers.e164
            when
                known.contact like '+%'
                and length(translate(known.contact, '+0123456789 ()-/.', '')) = 0
                then '+' || translate(known.contact, '+ ()-/.', '')
        end as contact_value
    from known
    inner join statements
        on
            known.record_id = statements.record_id
            and known.purpose = statements.purpose
            and known.channel = statements.channel
            and known.state = statements.state
            and known.contact = statements.contact
    left join sources on statements.source_id = sources.source_id
    left join phone_numbers
        on
            known.contact = phone_numbers.value
            and coalesce(sources.default_region, '') = phone_numbers.region
    where known.contact is not null
),

-- Else the ones of its record that the channel can reach, else its strongest
-- identifier.
candidates as (
    select
        known.record_id,
        known.purpose,
        known.channel,
        known.state,
        record_identifiers.identifier_type as contact_type,
        record_identifiers.identifier_value as contact_value,
        case
            when
                record_identifiers.identifier_type = 'email'
                and known.channel not in ('sms', 'phone', 'voice', 'whatsapp')
                then 1
            when
                record_identifiers.identifier_type = 'phone'
                and known.channel <> 'email'
                then 1
            else 2
        end as fit,
        row_number() over (
            partition by known.record_id, known.purpose, known.channel, known.state
            order by
                identifiers.priority asc nulls last,
                record_identifiers.identifier_type asc,
                record_identifiers.identifier_value asc
        ) as strength
    from known
    inner join record_identifiers on known.record_id = record_identifiers.record_id
    left join identifiers
        on record_identifiers.identifier_id = identifiers.identifier_id
    where known.contact is null
),

with_best_fit as (
    select
        *,
        min(fit) over (partition by record_id, purpose, channel, state) as best_fit
    from candidates
),

final as (
    select distinct
        record_id,
        purpose,
        channel,
        state,
        contact_type,
        contact_value
    from named
    where contact_value is not null
    union
    select distinct
        record_id,
        purpose,
        channel,
        state,
        contact_type,
        contact_value
    from with_best_fit
    where (best_fit = 1 and fit = 1) or (best_fit = 2 and strength = 1)
)

select * from final

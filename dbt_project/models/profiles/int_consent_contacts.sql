{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='origin_id',
        on_schema_change='fail',
        meta={'touched': 'int_touched_origins'},
        post_hook="{{ remember({'int_distinct_events': '_load_id', 'stg_landing__profiles': '_load_id'}) }}",
    )
}}

with

touched_origins as (select * from {{ ref('int_touched_origins') }}),

statements as (select * from {{ ref('int_consent_statements') }}),

records as (select * from {{ ref('int_records') }}),

given_identifiers as (
    select * from {{ ref('int_candidate_identifiers') }}
    where not is_previous
),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

phone_numbers as (select * from {{ ref('stg_landing__phone_numbers') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

known as (
    select
        statements.origin_id,
        statements.record_id,
        statements.source_id,
        statements.occurred_at,
        statements.evidence,
        statements.purpose,
        statements.channel,
        statements.state,
        statements.previous_state,
        statements.contact
    from statements
    inner join touched_origins on statements.record_id = touched_origins.record_id
    where statements.purpose is not null and statements.state is not null
),

-- A contact point that the statement names itself.
named as (
    select
        known.*,
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
    left join sources on known.source_id = sources.source_id
    left join phone_numbers
        on
            known.contact = phone_numbers.value
            and coalesce(sources.default_region, '') = phone_numbers.region
    where known.contact is not null
),

-- Else the ones of its record that the channel can reach, else its strongest
-- identifier. Consent speaks about the contact point, so it does not matter here who
-- it turns out to belong to, or that it is too common to identify anybody.
candidates as (
    select
        known.*,
        given_identifiers.identifier_type as contact_type,
        given_identifiers.identifier_value as contact_value,
        case
            when
                given_identifiers.identifier_type = 'email'
                and known.channel not in ('sms', 'phone', 'voice', 'whatsapp')
                then 1
            when
                given_identifiers.identifier_type = 'phone'
                and known.channel <> 'email'
                then 1
            else 2
        end as fit,
        row_number() over (
            partition by
                known.record_id,
                known.evidence,
                known.purpose,
                known.channel,
                known.state
            order by
                identifier_rules.type_rank asc nulls last,
                given_identifiers.identifier_type asc,
                given_identifiers.identifier_value asc
        ) as strength
    from known
    inner join records on known.record_id = records.record_id
    inner join given_identifiers
        on records.identifier_set_id = given_identifiers.identifier_set_id
    left join identifier_rules
        on given_identifiers.identifier_type = identifier_rules.identifier_type
    where known.contact is null
),

with_best_fit as (
    select
        *,
        min(fit) over (
            partition by record_id, evidence, purpose, channel, state
        ) as best_fit
    from candidates
),

reached as (
    select
        origin_id,
        record_id,
        source_id,
        occurred_at,
        evidence,
        purpose,
        channel,
        state,
        previous_state,
        contact_type,
        contact_value
    from named
    where contact_value is not null
    union all
    select
        origin_id,
        record_id,
        source_id,
        occurred_at,
        evidence,
        purpose,
        channel,
        state,
        previous_state,
        contact_type,
        contact_value
    from with_best_fit
    where (best_fit = 1 and fit = 1) or (best_fit = 2 and strength = 1)
),

-- What one record says twice it says once; it was seen to change if all of it was.
final as (
    select
        origin_id,
        record_id,
        source_id,
        occurred_at,
        max(evidence) as evidence,
        contact_type,
        contact_value,
        purpose,
        channel,
        state,
        case
            when count(*) = count(previous_state) then min(previous_state)
        end as previous_state
    from reached
    group by
        origin_id,
        record_id,
        source_id,
        occurred_at,
        contact_type,
        contact_value,
        purpose,
        channel,
        state
)

select * from final

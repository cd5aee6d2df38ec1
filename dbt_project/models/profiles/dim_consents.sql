with

consents as (
    select * from {{ ref('fct_consents') }}
    where is_counted
),

identifiers as (select * from {{ ref('dim_identifiers') }}),

-- Latest wins; at one time the denial counts as the later word.
last_words as (
    select
        contact_type,
        contact_value,
        purpose,
        channel,
        max(case when state = 'granted' then occurred_at end) as granted_at,
        max(case when state = 'denied' then occurred_at end) as denied_at
    from consents
    group by contact_type, contact_value, purpose, channel
),

standing as (
    select
        contact_type,
        contact_value,
        purpose,
        channel,
        case
            when denied_at is null or granted_at > denied_at then 'granted'
            else 'denied'
        end as state,
        denied_at,
        granted_at
    from last_words
),

-- What keeps saying so since the last opposite. A denial at the very time of a grant
-- comes after it.
held as (
    select
        consents.*,
        row_number() over (
            partition by
                consents.contact_type,
                consents.contact_value,
                consents.purpose,
                consents.channel
            order by consents.occurred_at asc, consents.record_id asc
        ) as place
    from consents
    inner join standing
        on
            consents.contact_type = standing.contact_type
            and consents.contact_value = standing.contact_value
            and consents.purpose = standing.purpose
            and consents.channel = standing.channel
            and consents.state = standing.state
    where
        (
            standing.state = 'granted'
            and (
                standing.denied_at is null
                or consents.occurred_at > standing.denied_at
            )
        )
        or (
            standing.state = 'denied'
            and (
                standing.granted_at is null
                or consents.occurred_at >= standing.granted_at
            )
        )
),

-- The record that began the state which stands.
final as (
    select
        held.contact_type,
        held.contact_value,
        identifiers.profile_id,
        held.purpose,
        held.channel,
        held.state,
        held.occurred_at as since,
        held.source_id,
        held.record_id,
        held.evidence
    from held
    left join identifiers
        on
            held.contact_type = identifiers.identifier_type
            and held.contact_value = identifiers.identifier_value
    where held.place = 1
)

select * from final

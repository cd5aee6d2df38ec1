with

consents as (
    select * from {{ ref('fct_consents') }}
    where is_counted
),

identifiers as (select * from {{ ref('dim_identifiers') }}),

-- Latest wins; at one time the denial counts as the later word.
ordered as (
    select
        *,
        row_number() over (
            partition by contact_type, contact_value, purpose, channel
            order by
                occurred_at asc,
                case when state = 'denied' then 2 else 1 end asc,
                record_id asc
        ) as place
    from consents
),

with_latest as (
    select
        *,
        max(place) over (
            partition by contact_type, contact_value, purpose, channel
        ) as last_place,
        max(case when state = 'granted' then place else 0 end) over (
            partition by contact_type, contact_value, purpose, channel
        ) as last_granted_place,
        max(case when state = 'denied' then place else 0 end) over (
            partition by contact_type, contact_value, purpose, channel
        ) as last_denied_place
    from ordered
),

-- The row that began the state which stands: the first one after the last opposite.
final as (
    select
        with_latest.contact_type,
        with_latest.contact_value,
        identifiers.profile_id,
        with_latest.purpose,
        with_latest.channel,
        with_latest.state,
        with_latest.occurred_at as since,
        with_latest.source_id,
        with_latest.record_id,
        with_latest.evidence
    from with_latest
    left join identifiers
        on
            with_latest.contact_type = identifiers.identifier_type
            and with_latest.contact_value = identifiers.identifier_value
    where
        with_latest.place = case
            when with_latest.last_granted_place > with_latest.last_denied_place
                then with_latest.last_denied_place + 1
            else with_latest.last_granted_place + 1
        end
)

select * from final

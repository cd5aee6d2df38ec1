{{ config(materialized='view') }}

with

said as (select * from {{ ref('int_consent_contacts') }}),

-- Grants of an extract that were not seen to change there: nobody knows how old
-- they are.
undated_grants as (
    select * from said
    where
        evidence = 'extract'
        and state = 'granted'
        and previous_state is null
),

first_denials as (
    select
        contact_type,
        contact_value,
        purpose,
        channel,
        min(occurred_at) as occurred_at
    from said
    where state = 'denied'
    group by contact_type, contact_value, purpose, channel
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
    inner join first_denials
        on
            undated_grants.contact_type = first_denials.contact_type
            and undated_grants.contact_value = first_denials.contact_value
            and undated_grants.purpose = first_denials.purpose
    where
        first_denials.occurred_at <= undated_grants.occurred_at
        and (
            undated_grants.channel = first_denials.channel
            or undated_grants.channel = 'all'
            or first_denials.channel = 'all'
        )
),

judged as (
    select
        said.*,
        said.state = 'denied'
        or (said.state = 'granted' and overruled.record_id is null) as is_counted
    from said
    left join overruled
        on
            said.contact_type = overruled.contact_type
            and said.contact_value = overruled.contact_value
            and said.purpose = overruled.purpose
            and said.channel = overruled.channel
            and said.record_id = overruled.record_id
),

-- A word holds until the next that counts; at one time the denial is the later word.
final as (
    select
        contact_type,
        contact_value,
        purpose,
        channel,
        state,
        occurred_at,
        case
            when is_counted
                then lead(occurred_at) over (
                    partition by
                        contact_type, contact_value, purpose, channel, is_counted
                    order by
                        occurred_at asc,
                        case when state = 'denied' then 1 else 0 end asc,
                        record_id asc
                )
            else occurred_at
        end as superseded_at,
        source_id,
        record_id,
        evidence,
        is_counted
    from judged
)

select * from final

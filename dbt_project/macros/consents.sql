{#
  Consent for whoever would be addressed: one rule for syncs, journeys and the relay.

  `askers` is a CTE of what addresses people: its key `asker`, purpose, channel, recipient_type. `asked` is a CTE of whom:
  the same key, recipient_key, profile_id. The model imports consents (dim_consents), identifiers (dim_identifiers) and
  purposes. One row per asked with obstacle: NULL when they may be addressed, else consent_denied or no_consent.

  Two kinds of consent speak about a recipient: the one given for the very contact point, and the one given for the
  person as a whole (under a user id or a cookie). Consent for another address of the same person does not count, unless
  the person is addressed and not an address. One denial outweighs any grant.
#}
{% macro consent_obstacles(asked, askers, asker) %}
    with

    -- Consent for all channels, or for the channel that is used.
    relevant as (
        select
            {{ askers }}.{{ asker }},
            {{ askers }}.recipient_type,
            consents.contact_type,
            consents.contact_value,
            consents.state
        from {{ askers }}
        inner join consents on {{ askers }}.purpose = consents.purpose
        where
            {{ askers }}.channel = 'any'
            or coalesce(consents.channel, '') in ('', 'all', {{ askers }}.channel)
    ),

    spoken as (
        select
            {{ asked }}.{{ asker }},
            {{ asked }}.recipient_key,
            {{ asked }}.profile_id,
            relevant.state
        from {{ asked }}
        inner join relevant
            on
                {{ asked }}.{{ asker }} = relevant.{{ asker }}
                and relevant.recipient_type = relevant.contact_type
                and {{ asked }}.recipient_key = relevant.contact_value
        union all
        select
            {{ asked }}.{{ asker }},
            {{ asked }}.recipient_key,
            {{ asked }}.profile_id,
            relevant.state
        from {{ asked }}
        inner join identifiers on {{ asked }}.profile_id = identifiers.profile_id
        inner join relevant
            on
                {{ asked }}.{{ asker }} = relevant.{{ asker }}
                and identifiers.identifier_type = relevant.contact_type
                and identifiers.identifier_value = relevant.contact_value
        where
            relevant.contact_type not in ('email', 'phone')
            or relevant.recipient_type not in ('email', 'phone')
    ),

    weighed as (
        select
            {{ asker }},
            recipient_key,
            profile_id,
            max(case when state = 'denied' then 1 else 0 end) as denied,
            max(case when state = 'granted' then 1 else 0 end) as granted
        from spoken
        group by {{ asker }}, recipient_key, profile_id
    )

    select
        {{ asked }}.{{ asker }},
        {{ asked }}.recipient_key,
        {{ asked }}.profile_id,
        case
            when purposes.enforcement = 'off' then null
            when weighed.denied = 1 then 'consent_denied'
            when purposes.enforcement = 'opt_out' or weighed.granted = 1 then null
            else 'no_consent'
        end as obstacle
    from {{ asked }}
    inner join {{ askers }} on {{ asked }}.{{ asker }} = {{ askers }}.{{ asker }}
    left join purposes on {{ askers }}.purpose = purposes.purpose
    left join weighed
        on
            {{ asked }}.{{ asker }} = weighed.{{ asker }}
            and {{ asked }}.recipient_key = weighed.recipient_key
            and {{ asked }}.profile_id = weighed.profile_id
{% endmacro %}

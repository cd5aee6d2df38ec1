{{ config(post_hook="{{ keep_sql() }}") }}

-- For every candidate about which something is left to decide, what the checks look at.
-- Each column answers one question; the order in which the answers count is in
-- journey_decisions_pending.
with

journeys as (select * from {{ ref('stg_landing__journeys') }}),

all_candidates as (select * from {{ ref('int_journey_candidates') }}),

all_exits as (select * from {{ ref('int_journey_exits') }}),

decisions as (select * from {{ ref('stg_landing__journey_decisions') }}),

requests as (select * from {{ ref('stg_landing__privacy_requests') }}),

profile_ids as (select * from {{ ref('dim_profile_ids') }}),

identifiers as (select * from {{ ref('dim_identifiers') }}),

profiles as (select * from {{ ref('dim_profiles') }}),

attributes as (select * from {{ ref('int_profile_attributes') }}),

members as (select * from {{ ref('fct_audience_members') }}),

consents as (select * from {{ ref('dim_consents') }}),

purposes as (select * from {{ ref('purposes') }}),

-- Whoever entered already is known there by the key they entered with.
candidates as (
    select
        all_candidates.journey,
        all_candidates.candidate_id,
        all_candidates.entry_name,
        all_candidates.profile_id,
        all_candidates.instance_key,
        all_candidates.emitted_at,
        all_candidates.is_asking,
        all_candidates.outcome,
        coalesce(
            case
                when all_candidates.outcome = 'entered'
                    then all_candidates.recipient_key
            end,
            nullif(
                case journeys.recipient_type
                    when 'email' then profiles.email
                    when 'phone' then profiles.phone
                    when 'user_id' then profiles.user_id
                    when 'profile_id' then all_candidates.profile_id
                end,
                ''
            )
        ) as recipient_key
    from all_candidates
    inner join journeys on all_candidates.journey = journeys.journey
    left join profiles on all_candidates.profile_id = profiles.profile_id
    where not all_candidates.is_settled
),

people as (
    select distinct
        journey,
        profile_id,
        recipient_key
    from candidates
    where profile_id is not null
),

-- Did something end it since?
exits as (
    select
        candidates.journey,
        candidates.candidate_id,
        min(all_exits.happened_at) as exit_at,
        min_by(all_exits.reason, all_exits.happened_at) as exit_reason
    from candidates
    inner join all_exits
        on
            candidates.journey = all_exits.journey
            and candidates.profile_id = all_exits.profile_id
            and candidates.emitted_at < all_exits.happened_at
    group by candidates.journey, candidates.candidate_id
),

-- Did the person ask to be forgotten, or to be left alone?
asked as (
    select
        requests.request_type,
        item.item.type as identifier_type,
        case
            when item.item.type = 'email' then lower(trim(item.item.value))
            else trim(item.item.value)
        end as identifier_value
    from requests {{ each('requests.identifiers', 'item') }}
    where requests.request_type in ('erasure', 'suppression')
),

privacy as (
    select
        identifiers.profile_id,
        max(case when asked.request_type = 'erasure' then 1 else 0 end) = 1
            as is_erased
    from asked
    inner join identifiers
        on
            asked.identifier_type = identifiers.identifier_type
            and asked.identifier_value = identifiers.identifier_value
    group by identifiers.profile_id
),

-- Is the person in an audience that is kept out, or left in peace?
bars as (
    select
        journeys.journey,
        bar.bar as audience_name,
        1 as suppresses
    from journeys {{ each('journeys.suppressed_audiences', 'bar') }}
    union all
    select
        journeys.journey,
        bar.bar as audience_name,
        0 as suppresses
    from journeys {{ each('journeys.excluded_audiences', 'bar') }}
),

barred as (
    select
        bars.journey,
        members.profile_id,
        max(bars.suppresses) = 1 as is_suppressed,
        min(bars.suppresses) = 0 as is_excluded
    from bars
    inner join members on bars.audience_name = members.audience_name
    group by bars.journey, members.profile_id
),

consent as (
    {{ consent_obstacles('people', 'journeys', 'journey') }}
),

-- Every entry there ever was, under today's person. One that was called back before its
-- release reached nobody.
entries as (
    select
        decisions.journey,
        decisions.candidate_id,
        coalesce(profile_ids.profile_id, decisions.recipient) as profile_id,
        decisions.instance_key,
        decisions.recipient_key,
        decisions.as_of as entered_at,
        {{ whole_minutes('decisions.as_of', as_of()) }} as age_minutes,
        all_candidates.outcome = 'entered' as has_stayed,
        journeys.exit_after_minutes
    from decisions
    inner join all_candidates
        on
            decisions.journey = all_candidates.journey
            and decisions.candidate_id = all_candidates.candidate_id
    left join journeys on decisions.journey = journeys.journey
    left join profile_ids on decisions.recipient = profile_ids.any_profile_id
    -- What was entered at this very time, or by the relay since, takes its turn there.
    where decisions.outcome = 'entered' and decisions.as_of < {{ as_of() }}
),

-- The last time the person entered the journey, and whether that has ended.
last_entries as (
    select
        entries.journey,
        entries.profile_id,
        max(entries.entered_at) as entered_at,
        min(entries.age_minutes) as age_minutes,
        max(entries.exit_after_minutes) as exit_after_minutes
    from entries
    where entries.has_stayed
    group by entries.journey, entries.profile_id
),

ended as (
    select distinct
        last_entries.journey,
        last_entries.profile_id
    from last_entries
    inner join all_exits
        on
            last_entries.journey = all_exits.journey
            and last_entries.profile_id = all_exits.profile_id
            and last_entries.entered_at < all_exits.happened_at
),

occasions as (
    select distinct
        journey,
        profile_id,
        instance_key
    from entries
),

occasions_of_contact as (
    select distinct
        journey,
        recipient_key,
        instance_key
    from entries
),

-- How many entries the contact point has had, in all journeys: also in those whose file
-- is gone since.
reached as (
    select
        recipient_key,
        {{ total('case when age_minutes < 24 * 60 then 1 end') }} as entries_24h,
        {{ total('case when age_minutes < 7 * 24 * 60 then 1 end') }} as entries_7d,
        {{ total('case when age_minutes < 30 * 24 * 60 then 1 end') }} as entries_30d
    from entries
    where has_stayed
    group by recipient_key
),

zones as (
    select
        journeys.journey,
        attributes.profile_id,
        max(attributes.value_text) as time_zone
    from journeys
    inner join attributes on journeys.time_zone_attribute = attributes.path
    group by journeys.journey, attributes.profile_id
),

-- Who is held out is drawn by the id a person was first met under.
first_ids as (
    select
        decisions.journey,
        coalesce(profile_ids.profile_id, decisions.recipient) as profile_id,
        min_by(decisions.recipient, decisions.record_id) as first_profile_id
    from decisions
    left join profile_ids on decisions.recipient = profile_ids.any_profile_id
    where decisions.recipient <> ''
    group by
        decisions.journey, coalesce(profile_ids.profile_id, decisions.recipient)
),

gathered as (
    select
        candidates.*,
        journeys.recipient_type,
        journeys.quiet_from_minute,
        journeys.quiet_until_minute,
        journeys.per_hour,
        journeys.reentry,
        journeys.cap_24h is not null
        or journeys.cap_7d is not null
        or journeys.cap_30d is not null as has_caps,
        {{ whole_minutes('candidates.emitted_at', as_of()) }}
        >= journeys.max_age_minutes as is_expired,
        coalesce(privacy.is_erased, false) as is_erased,
        exits.exit_reason,
        privacy.profile_id is not null
        or coalesce(barred.is_suppressed, false) as is_suppressed,
        candidates.recipient_key is not null
        and journeys.recipient_type = 'email'
        and candidates.recipient_key not like '%_@_%' as is_invalid,
        case
            when consent.recipient_key is null then 'no_consent'
            else consent.obstacle
        end as consent_obstacle,
        coalesce(barred.is_excluded, false) as is_excluded,
        {{ holdout_bucket(
            'candidates.journey',
            "coalesce(first_ids.first_profile_id, candidates.profile_id, '')",
        ) }} < journeys.holdout_buckets as is_held_out,
        case
            when occasions.journey is not null then 'this occasion was taken'
            when last_entries.journey is null or journeys.reentry = 'always' then null
            when journeys.reentry = 'never' then 'entered before'
            when
                journeys.reentry = 'after_exit'
                and ended.journey is null
                and last_entries.age_minutes < last_entries.exit_after_minutes
                then 'still in it'
            when
                journeys.reentry = 'after_days'
                and last_entries.age_minutes < journeys.reentry_minutes
                then 'entered lately'
        end as reentry_obstacle,
        occasions_of_contact.journey is not null as is_duplicate,
        case
            when reached.entries_24h >= journeys.cap_24h then '24h'
            when reached.entries_7d >= journeys.cap_7d then '7d'
            when reached.entries_30d >= journeys.cap_30d then '30d'
        end as cap_reached,
        case
            when {{ local_time(as_of(), 'zones.time_zone') }} is not null
                then zones.time_zone
            else journeys.default_time_zone
        end as time_zone
    from candidates
    inner join journeys on candidates.journey = journeys.journey
    left join exits
        on
            candidates.journey = exits.journey
            and candidates.candidate_id = exits.candidate_id
    left join privacy on candidates.profile_id = privacy.profile_id
    left join barred
        on
            candidates.journey = barred.journey
            and candidates.profile_id = barred.profile_id
    left join consent
        on
            candidates.journey = consent.journey
            and candidates.profile_id = consent.profile_id
            and candidates.recipient_key = consent.recipient_key
    left join first_ids
        on
            candidates.journey = first_ids.journey
            and candidates.profile_id = first_ids.profile_id
    left join occasions
        on
            candidates.journey = occasions.journey
            and candidates.profile_id = occasions.profile_id
            and candidates.instance_key = occasions.instance_key
    left join last_entries
        on
            candidates.journey = last_entries.journey
            and candidates.profile_id = last_entries.profile_id
    left join ended
        on
            candidates.journey = ended.journey
            and candidates.profile_id = ended.profile_id
    left join occasions_of_contact
        on
            candidates.journey = occasions_of_contact.journey
            and candidates.recipient_key = occasions_of_contact.recipient_key
            and candidates.instance_key = occasions_of_contact.instance_key
    left join reached on candidates.recipient_key = reached.recipient_key
    left join zones
        on
            candidates.journey = zones.journey
            and candidates.profile_id = zones.profile_id
),

with_local_time as (
    select
        gathered.*,
        {{ as_of() }} as looked_at,
        {{ local_time(as_of(), 'gathered.time_zone') }} as local_at
    from gathered
),

with_local_minute as (
    select
        with_local_time.*,
        extract(hour from local_at) * 60 + extract(minute from local_at) as local_minute
    from with_local_time
),

-- Quiet hours may begin on one day and end on the next.
final as (
    select
        with_local_minute.*,
        coalesce(
            case
                when quiet_from_minute < quiet_until_minute
                    then
                        local_minute >= quiet_from_minute
                        and local_minute < quiet_until_minute
                else
                    local_minute >= quiet_from_minute
                    or local_minute < quiet_until_minute
            end,
            false
        ) as is_quiet
    from with_local_minute
)

select * from final

{{ config(materialized='view') }}

with

journeys as (select * from {{ source('raw', 'journeys') }}),

final as (
    select
        journey,
        description,
        owner,
        entry_kind,
        entry_name,
        instance_key,
        purpose,
        channel,
        recipient_type,
        reentry,
        reentry_minutes,
        excluded_audiences,
        suppressed_audiences,
        exit_events,
        exit_enters,
        exit_leaves,
        exit_after_minutes,
        cap_24h,
        cap_7d,
        cap_30d,
        quiet_from_minute,
        quiet_until_minute,
        time_zone_attribute,
        default_time_zone,
        max_age_minutes,
        per_hour,
        holdout_buckets,
        destination,
        payload_trigger,
        payload_profile
    from journeys
)

select * from final

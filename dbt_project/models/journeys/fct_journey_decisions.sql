{{ config(materialized='view', post_hook="{{ keep_sql() }}") }}

with

landed as (select * from {{ ref('stg_landing__journey_decisions') }}),

pending as (select * from {{ ref('journey_decisions_pending') }}),

profile_ids as (select * from {{ ref('dim_profile_ids') }}),

-- History as it will be landed: what this refresh decided comes last.
decisions as (
    select
        journey,
        candidate_id,
        entry_name,
        recipient,
        recipient_key,
        instance_key,
        emitted_at,
        outcome,
        detail,
        as_of,
        0 as is_pending,
        record_id
    from landed
    union all
    select
        journey,
        candidate_id,
        entry_name,
        recipient,
        recipient_key,
        instance_key,
        emitted_at,
        outcome,
        detail,
        as_of,
        1 as is_pending,
        null as record_id
    from pending
),

numbered as (
    select
        decisions.*,
        cast(
            row_number() over (
                partition by journey, candidate_id
                order by is_pending asc, record_id asc
            ) as bigint
        ) as decision_number,
        row_number() over (
            partition by journey, candidate_id
            order by is_pending desc, record_id desc
        ) as place_from_the_end
    from decisions
),

final as (
    select
        numbered.journey,
        numbered.candidate_id,
        numbered.decision_number,
        numbered.entry_name,
        coalesce(profile_ids.profile_id, nullif(numbered.recipient, '')) as profile_id,
        nullif(numbered.recipient, '') as decided_profile_id,
        numbered.recipient_key,
        numbered.instance_key,
        numbered.emitted_at,
        numbered.as_of as decided_at,
        numbered.outcome,
        numbered.outcome not in (
            'unresolved_identity', 'held_quiet_hours', 'held_pacing'
        ) as is_final,
        numbered.detail,
        numbered.place_from_the_end = 1 as is_latest
    from numbered
    left join profile_ids on numbered.recipient = profile_ids.any_profile_id
)

select * from final

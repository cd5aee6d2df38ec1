{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='subscription_id',
        on_schema_change='fail',
        meta={'touched': 'int_touched_subscriptions'},
        post_hook="{{ remember({
            'int_distinct_events': '_load_id',
            'stg_landing__records': '_load_id',
            'int_profile_touches': '_touch_id',
        }) }}",
    )
}}

with

touched as (select * from {{ ref('int_touched_subscriptions') }}),

told as (select * from {{ ref('int_subscription_evidence') }}),

record_profiles as (select * from {{ ref('int_record_profiles') }}),

profiles as (select * from {{ ref('int_profiles') }}),

-- Whose each piece is; only the records at hand are looked up.
owners as (
    select
        told.record_id,
        record_profiles.profile_id,
        profiles.profile_kind
    from told
    inner join record_profiles on told.record_id = record_profiles.record_id
    left join profiles on record_profiles.profile_id = profiles.profile_id
),

evidence as (
    select
        told.*,
        owners.profile_id,
        owners.profile_kind
    from told
    left join owners on told.record_id = owners.record_id
),

-- What starts, renews or reactivates it makes it active; a row says what holds from
-- then on, whatever was said before.
counting as (
    select
        *,
        effect in ('started', 'renewed', 'reactivated')
        or (kind = 'row' and effect not in ('unknown', 'updated')) as begins_anew,
        case effect
            when 'started' then 1
            when 'updated' then 2
            when 'renewed' then 3
            when 'reactivated' then 4
            when 'paused' then 5
            when 'cancelled' then 6
            when 'ended' then 7
            else 0
        end as effect_rank
    from evidence
    where standing = 'counts'
),

ordered as (
    select
        *,
        row_number() over (
            partition by subscription_id
            order by
                occurred_at asc,
                effect_rank asc,
                is_server asc,
                record_id asc
        ) as place
    from counting
),

-- Numbers of the stretch in which it is active, and of the last word on the contract's
-- end.
stretched as (
    select
        *,
        sum(case when begins_anew then 1 else 0 end) over so_far as stretch,
        count(contract_ends_at) over so_far as end_number
    from ordered
    window so_far as (
        partition by subscription_id
        order by place asc
        rows between unbounded preceding and current row
    )
),

-- Within a stretch a state only rises: paused, cancelled, ended.
folded as (
    select
        *,
        max(case when effect in ('paused', 'cancelled', 'ended') then effect_rank end)
            over (
                partition by subscription_id, stretch
                order by place asc
                rows between unbounded preceding and current row
            ) as furthest,
        max(contract_ends_at) over (partition by subscription_id, end_number)
            as contract_ends_at_after
    from stretched
),

with_state as (
    select
        *,
        case
            when furthest = 7 then 'ended'
            when furthest = 6 then 'cancelled'
            when furthest = 5 then 'paused'
            when stretch > 0 then 'active'
            else 'unknown'
        end as state_after
    from folded
),

with_before as (
    select
        *,
        lag(state_after) over (partition by subscription_id order by place asc)
            as state_before,
        lag(contract_ends_at_after) over (
            partition by subscription_id
            order by place asc
        ) as contract_ends_at_before
    from with_state
),

-- A renewal confirms that the contract goes on after its end. Once the end moves, the
-- next one is open again.
with_word as (
    select
        *,
        case
            when is_renewal_confirmed is not null then is_renewal_confirmed
            when effect in ('cancelled', 'ended') then false
            when
                coalesce(
                    contract_ends_at <> contract_ends_at_before,
                    contract_ends_at is not null
                )
                then false
            when effect = 'renewed' then true
        end as word_on_renewal
    from with_before
),

with_words as (
    select
        *,
        count(word_on_renewal) over (
            partition by subscription_id
            order by place asc
            rows between unbounded preceding and current row
        ) as word_number
    from with_word
),

steps as (
    select
        *,
        max(case when word_on_renewal then 1 else 0 end) over (
            partition by subscription_id, word_number
        ) = 1 as is_renewal_confirmed_after,
        row_number() over (
            partition by subscription_id
            order by
                case
                    when profile_kind = 'anchor' then 1
                    when profile_id is not null then 2
                    else 3
                end asc,
                is_server desc,
                source_priority asc,
                occurred_at asc,
                record_id asc
        ) as owner_rank
    from with_words
),

final as (
    select
        evidence.subscription_id,
        evidence.record_id,
        cast(steps.place as bigint) as place,
        evidence.kind,
        evidence.source_id,
        evidence.event_id,
        evidence.name,
        evidence.source_status,
        evidence.occurred_at,
        evidence.effect,
        case
            when evidence.standing <> 'counts' then evidence.standing
            when steps.state_before is null or steps.state_before <> steps.state_after
                then 'changed'
            when
                coalesce(
                    steps.contract_ends_at_after <> steps.contract_ends_at_before,
                    steps.contract_ends_at_after is not null
                )
                or steps.word_on_renewal
                or evidence.effect = 'updated'
                then 'updated'
            when evidence.effect = 'unknown' then 'no_effect'
            when
                steps.state_after = evidence.effect
                or (steps.begins_anew and steps.state_after = 'active')
                then 'repeated'
            else 'passed'
        end as outcome,
        steps.state_before,
        steps.state_after,
        evidence.plan,
        evidence.price,
        evidence.currency,
        evidence.started_at,
        evidence.contract_ends_at,
        steps.contract_ends_at_after,
        steps.is_renewal_confirmed_after,
        evidence.profile_id,
        evidence.profile_kind,
        coalesce(steps.owner_rank = 1 and steps.profile_id is not null, false)
            as is_owner
    from touched
    inner join evidence on touched.subscription_id = evidence.subscription_id
    left join steps on evidence.record_id = steps.record_id
)

select * from final

-- I4 at the door. Of each source and day, whatever was received is an event, the repeat
-- of one, or a reject; and there are as many events as were accepted. A row names the
-- source and the day whose records are unaccounted for: compare what is landed there
-- with int_distinct_events, then rebuild with --full-refresh.
with

event_days as (select * from {{ ref('obs_event_days') }}),

distinct_events as (select * from {{ ref('int_distinct_events') }}),

unbalanced as (
    select
        source_id,
        received_date,
        sum(received_count) as received_count,
        sum(accepted_count + duplicate_count + rejected_count) as accounted_count
    from event_days
    group by source_id, received_date
    having
        sum(event_days.received_count)
        <> sum(
            event_days.accepted_count
            + event_days.duplicate_count
            + event_days.rejected_count
        )
),

accepted as (
    select
        source_id,
        sum(accepted_count) as accepted_count
    from event_days
    group by source_id
),

held as (
    select
        source_id,
        count(*) as held_count
    from distinct_events
    group by source_id
),

final as (
    select
        source_id,
        received_date,
        received_count,
        accounted_count
    from unbalanced
    union all
    select
        coalesce(held.source_id, accepted.source_id) as source_id,
        cast(null as date) as received_date,
        held.held_count as received_count,
        accepted.accepted_count as accounted_count
    from held
    full outer join accepted on held.source_id = accepted.source_id
    where coalesce(held.held_count, 0) <> coalesce(accepted.accepted_count, 0)
)

select * from final

-- Does a plan look like an accident? One row per sync and guard, with the figures it
-- was judged by. Withdrawn consent, erasure and a retired sync are no accidents: such
-- exits count for no guard and pass all of them. What is only said again counts for
-- none either, but waits with the rest.
with

syncs as (select * from {{ ref('syncs') }}),

members as (select * from {{ ref('int_sync_members') }}),

delivered as (select * from {{ ref('int_sync_delivered') }}),

changes as (select * from {{ ref('int_changes_planned') }}),

deliveries as (select * from {{ ref('stg_landing__deliveries') }}),

audience_sizes as (
    select
        sync_name,
        count(*) as member_count
    from members
    group by sync_name
),

present as (
    select
        sync_name,
        count(*) as present_count
    from delivered
    where is_present
    group by sync_name
),

planned as (
    select
        sync_name,
        sum(case when action = 'exit' then 1 else 0 end) as exit_count,
        sum(
            case when action in ('enter', 'trigger') then 1 else 0 end
        ) as enter_count
    from changes
    where
        not is_rejected
        and not is_exempt
        and reason not in ('resync', 'outcome_unknown')
    group by sync_name
),

-- The first run is over when one plan was worked through to its end; a killed one
-- continues unguarded.
finished as (
    select distinct sync_name
    from deliveries
    where kind = 'run' and outcome = 'delivered'
),

figures as (
    select
        syncs.*,
        coalesce(audience_sizes.member_count, 0) as member_count,
        coalesce(present.present_count, 0) as present_count,
        cast(coalesce(planned.exit_count, 0) as bigint) as exit_count,
        cast(coalesce(planned.enter_count, 0) as bigint) as enter_count,
        finished.sync_name is not null as has_finished
    from syncs
    left join audience_sizes
        on syncs.sync_name = audience_sizes.sync_name
    left join present
        on syncs.sync_name = present.sync_name
    left join planned
        on syncs.sync_name = planned.sync_name
    left join finished
        on syncs.sync_name = finished.sync_name
),

judged as (
    select
        sync_name,
        'too_many_exits' as guard_name,
        exit_count as change_count,
        present_count,
        present_count >= guard_floor
        and exit_count * 100 > present_count * max_exit_percent as is_blocked
    from figures
    union all
    select
        sync_name,
        'emptied_audience' as guard_name,
        exit_count as change_count,
        present_count,
        member_count = 0 and exit_count > 0 and not may_be_empty as is_blocked
    from figures
    union all
    select
        sync_name,
        'too_many_enters' as guard_name,
        enter_count as change_count,
        present_count,
        has_finished
        and enter_count * 100
        > greatest(present_count, guard_floor) * max_enter_percent as is_blocked
    from figures
),

-- A guard that cannot be evaluated blocks.
final as (
    select
        sync_name,
        guard_name,
        change_count,
        present_count,
        coalesce(is_blocked, true) as is_blocked
    from judged
)

select * from final

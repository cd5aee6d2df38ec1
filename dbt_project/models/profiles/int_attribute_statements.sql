{{ config(materialized='view') }}

with

all_observations as (select * from {{ ref('int_profile_observations') }}),

touched_profiles as (select * from {{ ref('int_touched_profiles') }}),

known_paths as (select * from {{ ref('int_known_paths') }}),

-- Paths come first: who asks for one kind alone may be done with that, where no path
-- is of it.
observations as (
    select
        all_observations.*,
        known_paths.rule,
        known_paths.is_plain
    from all_observations
    inner join known_paths on all_observations.path = known_paths.path
    inner join touched_profiles
        on all_observations.profile_id = touched_profiles.profile_id
    where not all_observations.is_withdrawn
),

-- Paths of which one lies within the other, both ways: a value at one of them cannot
-- stand beside a value at the other. Both begin with the same name, by which they are
-- found.
rival_paths as (
    select
        paths.path,
        rivals.path as rival_path,
        rivals.rule as rival_rule,
        rivals.is_plain as rival_is_plain
    from known_paths as paths
    inner join known_paths as rivals
        on
            split_part(paths.path, '.', 1) = split_part(rivals.path, '.', 1)
            and (
                left(rivals.path, length(paths.path) + 1) = paths.path || '.'
                or left(paths.path, length(rivals.path) + 1) = rivals.path || '.'
            )
),

-- The rivals that a profile really holds; most profiles hold none.
held_rivals as (
    select distinct
        observations.profile_id,
        observations.path as rival_path
    from observations
    inner join rival_paths on observations.path = rival_paths.rival_path
),

-- What is said at a path removes what stands at its rivals: an object replaces a
-- scalar by its keys, a scalar replaces an object.
removals as (
    select
        observations.profile_id,
        rival_paths.rival_path as path,
        'null' as kind,
        cast(null as {{ dbt.type_string() }}) as value,
        observations.occurred_at,
        observations.source_id,
        observations.source_priority,
        observations.record_id,
        rival_paths.rival_rule as rule,
        rival_paths.rival_is_plain as is_plain,
        observations.place,
        observations.sent_path
    from observations
    inner join rival_paths on observations.path = rival_paths.path
    inner join held_rivals
        on
            observations.profile_id = held_rivals.profile_id
            and rival_paths.rival_path = held_rivals.rival_path
),

said as (
    select
        profile_id,
        path,
        kind,
        value,
        occurred_at,
        source_id,
        source_priority,
        record_id,
        rule,
        is_plain,
        place,
        sent_path
    from observations
    union all
    select * from removals
),

-- A null wipes the slate: each attribute is cut into segments that begin with one.
-- To be plain or not follows from the path; partitions name it so that who asks for one
-- kind sorts no other.
final as (
    select
        profile_id,
        path,
        kind,
        value,
        occurred_at,
        source_id,
        source_priority,
        record_id,
        place,
        sent_path,
        rule,
        is_plain,
        row_number() over ({{ as_said() }}) as step_number,
        lag(value) over ({{ as_said() }}) as previous_value,
        sum(case when kind = 'null' then 1 else 0 end) over (
            {{ as_said() }}
            rows between unbounded preceding and current row
        ) as segment
    from said
)

select * from final

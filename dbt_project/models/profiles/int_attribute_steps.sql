with

all_observations as (select * from {{ ref('int_profile_observations') }}),

touched_profiles as (select * from {{ ref('int_touched_profiles') }}),

attribute_rules as (select * from {{ ref('attribute_rules') }}),

observations as (
    select all_observations.*
    from all_observations
    inner join touched_profiles
        on all_observations.profile_id = touched_profiles.profile_id
    where not all_observations.is_withdrawn
),

paths as (select distinct path from observations),

-- Paths of which one lies within the other, both ways: a value at one of them cannot
-- stand beside a value at the other.
rival_paths as (
    select
        outer_paths.path,
        inner_paths.path as rival_path
    from paths as outer_paths
    inner join paths as inner_paths
        on
            left(inner_paths.path, length(outer_paths.path) + 1)
            = outer_paths.path || '.'
    union all
    select
        inner_paths.path,
        outer_paths.path as rival_path
    from paths as outer_paths
    inner join paths as inner_paths
        on
            left(inner_paths.path, length(outer_paths.path) + 1)
            = outer_paths.path || '.'
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
        observations.place,
        observations.sent_path,
        0 as is_own
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
        place,
        sent_path,
        1 as is_own
    from observations
    union all
    select * from removals
),

-- The one order of everything said at a path: time, then the more believed source
-- last, then the record, then the place within the record.
final as (
    select
        said.profile_id,
        said.path,
        row_number() over (
            partition by said.profile_id, said.path
            order by
                said.occurred_at asc,
                said.source_priority desc,
                said.record_id asc,
                said.place asc,
                said.sent_path asc,
                said.is_own asc,
                said.value asc nulls first
        ) as step_number,
        said.kind,
        said.value,
        lag(said.value) over (
            partition by said.profile_id, said.path
            order by
                said.occurred_at asc,
                said.source_priority desc,
                said.record_id asc,
                said.place asc,
                said.sent_path asc,
                said.is_own asc,
                said.value asc nulls first
        ) as previous_value,
        said.occurred_at,
        said.source_id,
        said.source_priority,
        said.record_id,
        coalesce(attribute_rules.rule, 'fold') as rule
    from said
    left join attribute_rules on said.path = attribute_rules.path
)

select * from final

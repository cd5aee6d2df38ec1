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
        place,
        sent_path
    from observations
    union all
    select * from removals
),

-- The one order of everything said at a path: time, then the more believed source
-- last, then the record, then the place within the record. A null wipes the slate:
-- each attribute is cut into segments that begin with one.
ordered as (
    select
        profile_id,
        path,
        kind,
        value,
        occurred_at,
        source_id,
        source_priority,
        record_id,
        row_number() over (
            partition by profile_id, path
            order by
                occurred_at asc,
                source_priority desc,
                record_id asc,
                place asc,
                sent_path asc
        ) as step_number,
        lag(value) over (
            partition by profile_id, path
            order by
                occurred_at asc,
                source_priority desc,
                record_id asc,
                place asc,
                sent_path asc
        ) as previous_value,
        sum(case when kind = 'null' then 1 else 0 end) over (
            partition by profile_id, path
            order by
                occurred_at asc,
                source_priority desc,
                record_id asc,
                place asc,
                sent_path asc
            rows between unbounded preceding and current row
        ) as segment
    from said
),

list_attributes as (
    select distinct
        profile_id,
        path
    from observations
    where kind = 'list'
),

ruled as (
    select
        ordered.*,
        coalesce(attribute_rules.rule, 'fold') as rule,
        case
            when attribute_rules.rule is null or attribute_rules.rule = 'fold'
                then list_attributes.path is null
            else attribute_rules.rule = 'latest'
        end as is_plain
    from ordered
    left join attribute_rules on ordered.path = attribute_rules.path
    left join list_attributes
        on
            ordered.profile_id = list_attributes.profile_id
            and ordered.path = list_attributes.path
),

-- Nearly all attributes are plain: whatever was said last is the value, and saying it
-- again says nothing.
final as (
    select *
    from ruled
    where not is_plain or value is distinct from previous_value
)

select * from final

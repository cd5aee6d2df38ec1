with

changed_members as (select * from {{ ref('int_changed_members') }}),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

held_members as (
    {{ held_columns('int_set_members', {
        'identifier_set_id': 'bigint',
        'identifier_id': 'bigint',
        'identifier_type': dbt.type_string(),
        'is_usable': 'boolean',
        'centre_id': 'bigint',
    }) }}
),

held_suspects as (
    {{ held_columns('int_hub_suspects', {
        'identifier_id': 'bigint',
        'is_hub': 'boolean',
    }) }}
),

changed_rays as (
    select
        centre_id as identifier_id,
        identifier_id as neighbour_id,
        is_former
    from changed_members
    where is_usable and centre_id <> identifier_id
    union all
    select
        identifier_id,
        centre_id as neighbour_id,
        is_former
    from changed_members
    where is_usable and centre_id <> identifier_id
),

-- Whoever stands at an end of an edge that came or went.
ends as (select distinct identifier_id from changed_rays),

held_rays as (
    {{ held_neighbours_of('ends') }}
),

-- Few have that many edges, repeats included, and only those are worth a closer look.
busy as (
    select identifier_id
    from (
        select identifier_id from changed_rays
        where not is_former
        union all
        select identifier_id from held_rays
    ) as rays
    group by identifier_id
    having count(*) > {{ var('hub_degree') }}
),

-- An edge says something about those at its ends and those one step further.
suspects_near as (
    select held_suspects.identifier_id
    from held_suspects
    inner join changed_rays on held_suspects.identifier_id = changed_rays.neighbour_id
    union
    select held_suspects.identifier_id
    from held_suspects
    inner join held_rays on held_suspects.identifier_id = held_rays.neighbour_id
),

looked_at as (
    select identifier_id from busy
    union
    select identifier_id from suspects_near
),

neighbours_of_looked_at as (
    {{ neighbours_of('looked_at') }}
),

-- Only an identifier with many neighbours can be a hub.
concerned as (
    select identifier_id
    from neighbours_of_looked_at
    group by identifier_id
    having count(*) > {{ var('hub_degree') }}
),

reach as (
    select
        neighbours_of_looked_at.identifier_id,
        neighbours_of_looked_at.neighbour_id
    from neighbours_of_looked_at
    inner join concerned
        on neighbours_of_looked_at.identifier_id = concerned.identifier_id
),

near as (
    select neighbour_id as identifier_id from reach
    union
    select identifier_id from concerned
),

neighbours_of_near as (
    {{ neighbours_of('near') }}
),

candidates as (select distinct neighbour_id as identifier_id from neighbours_of_near),

strong_identifiers as (
    select changed_members.identifier_id
    from changed_members
    inner join candidates on changed_members.identifier_id = candidates.identifier_id
    inner join identifier_rules
        on changed_members.identifier_type = identifier_rules.identifier_type
    where identifier_rules.priority <= 2
    union
    select held_members.identifier_id
    from held_members
    inner join candidates on held_members.identifier_id = candidates.identifier_id
    inner join identifier_rules
        on held_members.identifier_type = identifier_rules.identifier_type
    where identifier_rules.priority <= 2
),

-- The strong neighbours of everything within one hop of a suspect. More than hub_limit
-- + 2 of one node decide the question, so no node lists more.
strong_neighbours as (
    select
        identifier_id,
        neighbour_id
    from (
        select
            neighbours_of_near.identifier_id,
            neighbours_of_near.neighbour_id,
            row_number() over (
                partition by neighbours_of_near.identifier_id
                order by neighbours_of_near.neighbour_id asc
            ) as place
        from neighbours_of_near
        inner join strong_identifiers
            on neighbours_of_near.neighbour_id = strong_identifiers.identifier_id
    ) as placed
    where place <= {{ var('hub_limit') }} + 2
),

within_two_hops as (
    select
        strong_neighbours.identifier_id,
        strong_neighbours.neighbour_id as strong_id
    from strong_neighbours
    inner join concerned on strong_neighbours.identifier_id = concerned.identifier_id
    union
    select
        reach.identifier_id,
        strong_neighbours.neighbour_id as strong_id
    from reach
    inner join strong_neighbours on reach.neighbour_id = strong_neighbours.identifier_id
),

strong_counts as (
    select
        identifier_id,
        count(*) as strong_count
    from within_two_hops
    where strong_id <> identifier_id
    group by identifier_id
),

reach_counts as (
    select
        identifier_id,
        count(*) as degree
    from reach
    group by identifier_id
),

-- Who is near more people than any one person can be is nobody in particular.
judged as (
    select
        reach_counts.identifier_id,
        reach_counts.degree,
        coalesce(strong_counts.strong_count, 0) as strong_count
    from reach_counts
    left join strong_counts on reach_counts.identifier_id = strong_counts.identifier_id
),

final as (
    select
        judged.identifier_id,
        judged.degree,
        judged.strong_count,
        judged.strong_count > {{ var('hub_limit') }} as is_hub,
        coalesce(held_suspects.is_hub, false) as was_hub
    from judged
    left join held_suspects on judged.identifier_id = held_suspects.identifier_id
    union all
    select
        held_suspects.identifier_id,
        0 as degree,
        0 as strong_count,
        false as is_hub,
        held_suspects.is_hub as was_hub
    from held_suspects
    inner join ends on held_suspects.identifier_id = ends.identifier_id
    left join judged on held_suspects.identifier_id = judged.identifier_id
    where judged.identifier_id is null
)

select * from final

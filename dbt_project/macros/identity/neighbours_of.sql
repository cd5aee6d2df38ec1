{#
  The neighbours of the identifiers in a CTE, as things are now: over the stars of held_members, whose changed sets do
  not count any more, and of changed_rays. Each use looks up what it needs, because all neighbours of everybody would
  be the whole graph.
#}
{% macro neighbours_of(identifiers) %}
    select
        held.identifier_id,
        held.neighbour_id
    from ({{ held_neighbours_of(identifiers) }}) as held
    union
    select
        changed_rays.identifier_id,
        changed_rays.neighbour_id
    from changed_rays
    inner join {{ identifiers }} on changed_rays.identifier_id = {{ identifiers }}.identifier_id
    where not changed_rays.is_former
{% endmacro %}

{#
  Those of the stars that have not changed; once for each set. Where nothing is stored yet, the engine would look for
  them among everything there is.
#}
{% macro held_neighbours_of(identifiers) %}
    {%- if not is_stored('int_set_members') %}
    select
        cast(null as bigint) as identifier_id,
        cast(null as bigint) as neighbour_id
    where 1 = 0
    {%- else %}
    select
        rays.identifier_id,
        rays.neighbour_id
    from (
        select
            held_members.identifier_set_id,
            held_members.centre_id as identifier_id,
            held_members.identifier_id as neighbour_id
        from held_members
        inner join {{ identifiers }} on held_members.centre_id = {{ identifiers }}.identifier_id
        where held_members.is_usable and held_members.centre_id <> held_members.identifier_id
        union all
        select
            held_members.identifier_set_id,
            held_members.identifier_id,
            held_members.centre_id as neighbour_id
        from held_members
        inner join {{ identifiers }} on held_members.identifier_id = {{ identifiers }}.identifier_id
        where held_members.is_usable and held_members.centre_id <> held_members.identifier_id
    ) as rays
    left join (select distinct identifier_set_id from changed_members) as changed
        on rays.identifier_set_id = changed.identifier_set_id
    where changed.identifier_set_id is null
    {%- endif %}
{% endmacro %}

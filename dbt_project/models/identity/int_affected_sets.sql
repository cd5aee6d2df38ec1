with

changed_sets as (select * from {{ ref('int_changed_sets') }}),

changed_members as (select * from {{ ref('int_changed_members') }}),

hub_changes as (select * from {{ ref('int_hub_changes') }}),

never_together as (select * from {{ ref('int_never_together') }}),

always_together as (select * from {{ ref('int_always_together') }}),

held_sets as (
    {{ held_columns('int_identifier_sets', {
        'identifier_set_id': 'bigint',
        'source_id': dbt.type_string(),
        'first_record_id': 'uuid',
        'first_seen_at': 'timestamp',
        'last_seen_at': 'timestamp',
        'earliest_record_id': 'uuid',
        'latest_record_id': 'uuid',
    }) }}
),

held_members as (
    {{ held_columns('int_set_members', {
        'identifier_set_id': 'bigint',
        'identifier_id': 'bigint',
        'is_usable': 'boolean',
        'component_id': 'bigint',
    }) }}
),

held_suspects as (
    {{ held_columns('int_hub_suspects', {
        'identifier_id': 'bigint',
        'is_hub': 'boolean',
    }) }}
),

held_rules as (
    {{ held_columns('int_applied_rules', {
        'kind': dbt.type_string(),
        'node_a': 'bigint',
        'node_b': 'bigint',
    }) }}
),

-- Pairs that came or went since they were applied.
pairs_now as (
    select
        'never' as kind,
        node_a,
        node_b
    from never_together
    union all
    select
        'always' as kind,
        node_id as node_a,
        component_id as node_b
    from always_together
),

pairs_before as (
    select
        kind,
        node_a,
        node_b
    from held_rules
    where kind in ('never', 'always')
),

new_pairs as (
    select * from pairs_now
    except
    select * from pairs_before
),

former_pairs as (
    select * from pairs_before
    except
    select * from pairs_now
),

edited_pairs as (
    select * from new_pairs
    union all
    select * from former_pairs
),

-- A hub that stays one connects nobody, neither before nor now.
lasting_hubs as (
    select held_suspects.identifier_id
    from held_suspects
    left join hub_changes on held_suspects.identifier_id = hub_changes.identifier_id
    where held_suspects.is_hub and coalesce(hub_changes.is_hub, true)
),

turned_hubs as (
    select identifier_id from hub_changes
    where is_hub <> was_hub
),

-- Sets whose evidence changed, or that hold what became a hub or no longer is one.
concerned_sets as (
    select identifier_set_id from changed_sets
    union
    select identifier_set_id from changed_members
    union
    select held_members.identifier_set_id
    from held_members
    inner join turned_hubs on held_members.identifier_id = turned_hubs.identifier_id
),

named as (
    select identifier_id from changed_members
    where is_usable
    union
    select held_members.identifier_id
    from held_members
    inner join concerned_sets
        on held_members.identifier_set_id = concerned_sets.identifier_set_id
    where held_members.is_usable
    union
    select node_a as identifier_id from edited_pairs
    union
    select node_b as identifier_id from edited_pairs
),

-- Whoever is declared one with somebody is where they are.
with_declared as (
    select identifier_id from named
    union
    select others.node_id as identifier_id
    from named
    inner join always_together on named.identifier_id = always_together.node_id
    inner join always_together as others
        on always_together.component_id = others.component_id
),

-- Everything that was connected with them, at any distance, demoted edges included, is
-- solved anew.
components as (
    select distinct held_members.component_id
    from held_members
    inner join with_declared on held_members.identifier_id = with_declared.identifier_id
    left join lasting_hubs on held_members.identifier_id = lasting_hubs.identifier_id
    where lasting_hubs.identifier_id is null and held_members.is_usable
),

affected as (
    select identifier_set_id from concerned_sets
    union
    select held_members.identifier_set_id
    from held_members
    inner join components on held_members.component_id = components.component_id
),

evidence as (
    select
        identifier_set_id,
        source_id,
        first_record_id,
        first_seen_at,
        last_seen_at,
        earliest_record_id,
        latest_record_id,
        is_gone
    from changed_sets
    union all
    select
        held_sets.identifier_set_id,
        held_sets.source_id,
        held_sets.first_record_id,
        held_sets.first_seen_at,
        held_sets.last_seen_at,
        held_sets.earliest_record_id,
        held_sets.latest_record_id,
        false as is_gone
    from held_sets
    left join changed_sets
        on held_sets.identifier_set_id = changed_sets.identifier_set_id
    where changed_sets.identifier_set_id is null
),

final as (
    select evidence.*
    from affected
    inner join evidence on affected.identifier_set_id = evidence.identifier_set_id
)

select * from final

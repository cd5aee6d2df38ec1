{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        on_schema_change='fail',
    )
}}

with

changed_sets as (select * from {{ ref('int_changed_sets') }}),

affected_members as (select * from {{ ref('int_affected_members') }}),

affected_sets as (select * from {{ ref('int_affected_sets') }}),

solved_sets as (select * from {{ ref('int_solved_sets') }}),

solved_records as (select * from {{ ref('int_solved_records') }}),

solved_identifiers as (select * from {{ ref('int_solved_identifiers') }}),

-- What the later models hold of everything that was solved anew, before it is replaced.
held_sets as (
    select held.*
    from (
        {{ held_columns('int_set_profiles', {
            'identifier_set_id': 'bigint',
            'profile_id': dbt.type_string(),
            'is_by_time': 'boolean',
        }) }}
    ) as held
    inner join affected_sets on held.identifier_set_id = affected_sets.identifier_set_id
),

affected_identifiers as (select distinct identifier_id from affected_members),

held_records as (
    select held.*
    from (
        {{ held_columns('int_timed_records', {
            'record_id': 'uuid',
            'identifier_id': 'bigint',
            'profile_id': dbt.type_string(),
        }) }}
    ) as held
    inner join affected_identifiers
        on held.identifier_id = affected_identifiers.identifier_id
),

held_identifiers as (
    select held.*
    from (
        {{ held_columns('int_resolved_identifiers', {
            'identifier_id': 'bigint',
            'profile_id': dbt.type_string(),
            'is_shared': 'boolean',
            'first_seen_at': 'timestamp',
            'last_seen_at': 'timestamp',
            'first_record_id': 'uuid',
        }) }}
    ) as held
    inner join affected_identifiers
        on held.identifier_id = affected_identifiers.identifier_id
),

-- Both sides of every difference between what is held and what is true now. A set
-- whose records came or went is one in any case.
changed as (
    select
        held_sets.profile_id as held_profile_id,
        solved_sets.profile_id
    from held_sets
    full outer join solved_sets
        on held_sets.identifier_set_id = solved_sets.identifier_set_id
    left join changed_sets
        on
            coalesce(solved_sets.identifier_set_id, held_sets.identifier_set_id)
            = changed_sets.identifier_set_id
    where
        changed_sets.identifier_set_id is not null
        or held_sets.profile_id is distinct from solved_sets.profile_id
        or held_sets.is_by_time is distinct from solved_sets.is_by_time
    union all
    select
        held_records.profile_id as held_profile_id,
        solved_records.profile_id
    from held_records
    full outer join solved_records on held_records.record_id = solved_records.record_id
    where held_records.profile_id is distinct from solved_records.profile_id
    union all
    select
        held_identifiers.profile_id as held_profile_id,
        solved_identifiers.profile_id
    from held_identifiers
    full outer join solved_identifiers
        on held_identifiers.identifier_id = solved_identifiers.identifier_id
    where
        held_identifiers.profile_id is distinct from solved_identifiers.profile_id
        or held_identifiers.is_shared is distinct from solved_identifiers.is_shared
        or held_identifiers.first_seen_at
        is distinct from solved_identifiers.first_seen_at
        or held_identifiers.last_seen_at
        is distinct from solved_identifiers.last_seen_at
        or held_identifiers.first_record_id
        is distinct from solved_identifiers.first_record_id
),

touched as (
    select held_profile_id as profile_id from changed
    union
    select profile_id from changed
),

-- One number for each refresh, larger than any before.
final as (
    select
        profile_id,
        {% if is_incremental() %}
        (select cast(coalesce(max(_touch_id), 0) + 1 as bigint) from {{ this }})
            as _touch_id
        {% else %}
        cast(1 as bigint) as _touch_id
        {% endif %}
    from touched
    where profile_id is not null
)

select * from final

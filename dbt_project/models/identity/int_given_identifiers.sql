with

changed_sets as (select * from {{ ref('int_changed_sets') }}),

identifier_types as (select * from {{ ref('identifier_types') }}),

blocked_identifiers as (select * from {{ ref('blocked_identifiers') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

phone_numbers as (select * from {{ ref('stg_landing__phone_numbers') }}),

held_members as (
    {{ held_columns('int_set_members', {
        'identifier_set_id': 'bigint',
        'identifier_id': 'bigint',
        'identifier_type': dbt.type_string(),
        'identifier_value': dbt.type_string(),
        'source_id': dbt.type_string(),
        'is_given': 'boolean',
    }) }}
),

held_rules as (
    {{ held_columns('int_applied_rules', {
        'kind': dbt.type_string(),
        'identifier_type': dbt.type_string(),
        'match': dbt.type_string(),
        'blocked_value': dbt.type_string(),
    }) }}
),

-- Rows of the block list that came or went since they were applied.
blocking_now as (
    select
        identifier_type,
        match,
        blocked_value
    from blocked_identifiers
),

blocking_before as (
    select
        identifier_type,
        match,
        blocked_value
    from held_rules
    where kind = 'blocked'
),

new_blocks as (
    select * from blocking_now
    except
    select * from blocking_before
),

former_blocks as (
    select * from blocking_before
    except
    select * from blocking_now
),

block_edits as (
    select * from new_blocks
    union all
    select * from former_blocks
),

-- Their sets are judged again, by the identifiers as they were given.
block_edited_sets as (
    select held_members.identifier_set_id
    from held_members
    inner join block_edits
        on
            block_edits.match = 'exact'
            and lower(held_members.identifier_value) = block_edits.blocked_value
            and block_edits.identifier_type in ('*', held_members.identifier_type)
    where held_members.is_given
    union
    select held_members.identifier_set_id
    from held_members
    inner join block_edits
        on
            block_edits.match = 'characters'
            and block_edits.identifier_type in ('*', held_members.identifier_type)
            and translate(
                held_members.identifier_value, block_edits.blocked_value, ''
            ) = ''
    where held_members.is_given
),

given as (
    select
        changed_sets.identifier_set_id,
        changed_sets.source_id,
        item.item.type as given_type,
        trim(item.item.value) as given_value
    from changed_sets {{ each('changed_sets.identifiers', 'item') }}
    where changed_sets.is_new
),

-- Spellings of a type (customer_id for user_id) become that type.
typed as (
    select
        given.identifier_set_id,
        given.source_id,
        given.given_value,
        coalesce(identifier_types.same_as, given.given_type) as identifier_type
    from given
    left join identifier_types on given.given_type = identifier_types.identifier_type
),

-- One form per value. A phone number that no numbering plan knows has none.
normalised as (
    select
        typed.identifier_set_id,
        typed.source_id,
        typed.identifier_type,
        case
            when typed.identifier_type = 'email'
                then lower({{ nfc('typed.given_value') }})
            when typed.identifier_type = 'email_sha256' then lower(typed.given_value)
            when typed.identifier_type = 'phone' then phone_numbers.e164
            else typed.given_value
        end as identifier_value
    from typed
    left join sources on typed.source_id = sources.source_id
    left join phone_numbers
        on
            typed.identifier_type = 'phone'
            and typed.given_value = phone_numbers.value
            and coalesce(sources.default_region, '') = phone_numbers.region
),

known_forms as (
    select
        identifier_set_id,
        source_id,
        identifier_type,
        identifier_value
    from normalised
    where identifier_value <> ''
    union
    select
        held_members.identifier_set_id,
        held_members.source_id,
        held_members.identifier_type,
        held_members.identifier_value
    from held_members
    inner join block_edited_sets
        on held_members.identifier_set_id = block_edited_sets.identifier_set_id
    left join changed_sets
        on held_members.identifier_set_id = changed_sets.identifier_set_id
    where
        held_members.is_given
        and not coalesce(changed_sets.is_new or changed_sets.is_gone, false)
),

blocked_values as (
    select distinct
        known_forms.identifier_type,
        known_forms.identifier_value
    from known_forms
    inner join blocked_identifiers
        on
            blocked_identifiers.match = 'exact'
            and lower(known_forms.identifier_value) = blocked_identifiers.blocked_value
            and blocked_identifiers.identifier_type
            in ('*', known_forms.identifier_type)
    union
    select
        known_forms.identifier_type,
        known_forms.identifier_value
    from known_forms
    inner join blocked_identifiers
        on
            blocked_identifiers.match = 'characters'
            and blocked_identifiers.identifier_type
            in ('*', known_forms.identifier_type)
            and translate(
                known_forms.identifier_value, blocked_identifiers.blocked_value, ''
            ) = ''
),

final as (
    select
        known_forms.identifier_set_id,
        known_forms.source_id,
        {{ hash_bigint(
            "known_forms.identifier_type || ':' || known_forms.identifier_value"
        ) }} as identifier_id,
        known_forms.identifier_type,
        known_forms.identifier_value,
        blocked_values.identifier_value is not null as is_blocked
    from known_forms
    left join blocked_values
        on
            known_forms.identifier_type = blocked_values.identifier_type
            and known_forms.identifier_value = blocked_values.identifier_value
)

select * from final

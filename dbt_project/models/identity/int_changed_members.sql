with

changed_sets as (select * from {{ ref('int_changed_sets') }}),

given_identifiers as (select * from {{ ref('int_given_identifiers') }}),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

held_members as (
    {{ held_columns('int_set_members', {
        'identifier_set_id': 'bigint',
        'identifier_id': 'bigint',
        'identifier_type': dbt.type_string(),
        'identifier_value': dbt.type_string(),
        'source_id': dbt.type_string(),
        'is_given': 'boolean',
        'is_previous': 'boolean',
        'is_blocked': 'boolean',
        'is_usable': 'boolean',
        'centre_id': 'bigint',
        'centre_type': dbt.type_string(),
    }) }}
),

-- Sets whose given identifiers are known anew or no longer.
moved_sets as (
    select identifier_set_id from given_identifiers
    union
    select identifier_set_id from changed_sets
    where is_new or is_gone
),

moved_values as (
    select identifier_value from given_identifiers
    union
    select held_members.identifier_value
    from held_members
    inner join moved_sets
        on held_members.identifier_set_id = moved_sets.identifier_set_id
),

-- An alias means whoever is known by its previous id, so it is read again when anybody
-- of that name came or went.
alias_sets as (
    select held_members.identifier_set_id
    from held_members
    inner join moved_values
        on held_members.identifier_value = moved_values.identifier_value
    where held_members.is_given and held_members.identifier_type = 'previous_id'
    union
    select held_members.identifier_set_id
    from held_members
    inner join moved_values
        on lower(held_members.identifier_value) = moved_values.identifier_value
    where held_members.is_given and held_members.identifier_type = 'previous_id'
    except
    select identifier_set_id from moved_sets
),

given as (
    select
        identifier_set_id,
        source_id,
        identifier_id,
        identifier_type,
        identifier_value,
        is_blocked
    from given_identifiers
    union all
    select
        held_members.identifier_set_id,
        held_members.source_id,
        held_members.identifier_id,
        held_members.identifier_type,
        held_members.identifier_value,
        held_members.is_blocked
    from held_members
    inner join alias_sets
        on held_members.identifier_set_id = alias_sets.identifier_set_id
    where held_members.is_given
),

previous_ids as (
    select
        identifier_set_id,
        source_id,
        identifier_value as previous_value
    from given
    where identifier_type = 'previous_id' and not is_blocked
),

-- What a previous id could be: that value of any type, in the case given or, for
-- e-mail addresses and hashes, in lower case.
possible_names as (
    select
        previous_ids.previous_value,
        identifier_rules.identifier_type,
        previous_ids.previous_value as identifier_value
    from previous_ids
    cross join identifier_rules
    union
    select
        previous_ids.previous_value,
        identifier_rules.identifier_type,
        lower(previous_ids.previous_value) as identifier_value
    from previous_ids
    cross join identifier_rules
    where identifier_rules.identifier_type in ('email', 'email_sha256')
),

keyed_names as (
    select
        *,
        {{ hash_bigint("identifier_type || ':' || identifier_value") }} as identifier_id
    from possible_names
),

known_names as (
    select keyed_names.*
    from keyed_names
    inner join given_identifiers
        on
            keyed_names.identifier_id = given_identifiers.identifier_id
            and not given_identifiers.is_blocked
    union
    select keyed_names.*
    from keyed_names
    inner join held_members
        on
            keyed_names.identifier_id = held_members.identifier_id
            and held_members.is_given
            and held_members.is_usable
    left join moved_sets
        on held_members.identifier_set_id = moved_sets.identifier_set_id
    where moved_sets.identifier_set_id is null
),

-- One that nobody has used elsewhere is an e-mail address by its shape, else taken for
-- an anonymous id: the type that never stands in the way of a merge.
resolved_previous_ids as (
    select
        previous_ids.identifier_set_id,
        previous_ids.source_id,
        coalesce(
            known_names.identifier_type,
            case
                when previous_ids.previous_value like '%_@_%' then 'email'
                else 'anonymous_id'
            end
        ) as identifier_type,
        coalesce(
            known_names.identifier_value,
            case
                when previous_ids.previous_value like '%_@_%'
                    then lower({{ nfc('previous_ids.previous_value') }})
                else previous_ids.previous_value
            end
        ) as identifier_value
    from previous_ids
    left join known_names on previous_ids.previous_value = known_names.previous_value
),

usable as (
    select
        identifier_set_id,
        source_id,
        identifier_type,
        identifier_value,
        1 as is_given,
        0 as is_previous
    from given
    where not is_blocked and identifier_type <> 'previous_id'
    union all
    select
        identifier_set_id,
        source_id,
        identifier_type,
        identifier_value,
        0 as is_given,
        1 as is_previous
    from resolved_previous_ids
),

-- An e-mail address also counts as its hash, so that a hashed one meets a clear one.
with_hashes as (
    select * from usable
    union all
    select
        identifier_set_id,
        source_id,
        'email_sha256' as identifier_type,
        {{ sha256_hex('identifier_value') }} as identifier_value,
        0 as is_given,
        is_previous
    from usable
    where identifier_type = 'email'
),

members as (
    select
        with_hashes.identifier_set_id,
        min(with_hashes.source_id) as source_id,
        {{ hash_bigint(
            "with_hashes.identifier_type || ':' || with_hashes.identifier_value"
        ) }} as identifier_id,
        with_hashes.identifier_type,
        with_hashes.identifier_value,
        max(with_hashes.is_given) = 1 as is_given,
        min(with_hashes.is_previous) = 1 as is_previous,
        min(identifier_rules.type_rank) as type_rank
    from with_hashes
    inner join identifier_rules
        on with_hashes.identifier_type = identifier_rules.identifier_type
    group by
        with_hashes.identifier_set_id,
        with_hashes.identifier_type,
        with_hashes.identifier_value
),

-- The strongest identifier of a record is the centre of its star; in an alias, the
-- previous id never is.
centres as (
    select
        identifier_set_id,
        {{ min_by('identifier_id', ['is_previous', 'type_rank', 'identifier_id']) }}
            as identifier_id,
        {{ min_by('identifier_type', ['is_previous', 'type_rank', 'identifier_id']) }}
            as identifier_type
    from members
    group by identifier_set_id
),

-- The members as they are now and, of sets that were held, as they were.
final as (
    select
        members.identifier_set_id,
        members.source_id,
        members.identifier_id,
        members.identifier_type,
        members.identifier_value,
        members.is_given,
        members.is_previous,
        false as is_blocked,
        true as is_usable,
        centres.identifier_id as centre_id,
        centres.identifier_type as centre_type,
        false as is_former
    from members
    inner join centres on members.identifier_set_id = centres.identifier_set_id
    union all
    select
        identifier_set_id,
        source_id,
        identifier_id,
        identifier_type,
        identifier_value,
        true as is_given,
        false as is_previous,
        is_blocked,
        false as is_usable,
        null as centre_id,
        null as centre_type,
        false as is_former
    from given
    where is_blocked or identifier_type = 'previous_id'
    union all
    select
        held_members.identifier_set_id,
        held_members.source_id,
        held_members.identifier_id,
        held_members.identifier_type,
        held_members.identifier_value,
        held_members.is_given,
        held_members.is_previous,
        held_members.is_blocked,
        held_members.is_usable,
        held_members.centre_id,
        held_members.centre_type,
        true as is_former
    from held_members
    inner join (
        select identifier_set_id from moved_sets
        union
        select identifier_set_id from alias_sets
    ) as changed on held_members.identifier_set_id = changed.identifier_set_id
)

select * from final

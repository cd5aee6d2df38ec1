{{ config(materialized='view') }}

with

profiles as (select * from {{ ref('stg_landing__profiles') }}),

records as (select * from {{ ref('stg_landing__records') }}),

catalog as (select * from {{ ref('stg_landing__catalog') }}),

versions as (
    select
        'profiles' as stream,
        source_id,
        row_key,
        record_id,
        received_at,
        op,
        traits as body,
        cast(identifiers as {{ dbt.type_string() }}) as identifiers,
        cast(consent as {{ dbt.type_string() }}) as consent,
        cast(null as {{ dbt.type_string() }}) as status,
        _load_id
    from profiles
    union all
    select
        'records' as stream,
        source_id,
        row_key,
        record_id,
        received_at,
        op,
        properties as body,
        cast(identifiers as {{ dbt.type_string() }}) as identifiers,
        cast(null as {{ dbt.type_string() }}) as consent,
        source_status as status,
        _load_id
    from records
    union all
    select
        'catalog' as stream,
        source_id,
        row_key,
        record_id,
        received_at,
        op,
        properties as body,
        cast(null as {{ dbt.type_string() }}) as identifiers,
        cast(null as {{ dbt.type_string() }}) as consent,
        cast(null as {{ dbt.type_string() }}) as status,
        _load_id
    from catalog
),

-- Which version landed just before. Without the bodies, so that the sort stays small.
ordered as (
    select
        stream,
        source_id,
        row_key,
        record_id,
        received_at,
        op,
        _load_id,
        lag(record_id) over (
            partition by stream, source_id, row_key
            order by record_id asc
        ) as previous_record_id,
        lag(op) over (
            partition by stream, source_id, row_key
            order by record_id asc
        ) as previous_op
    from versions
),

changes as (
    select
        *,
        case
            when op = 'delete' then 'deleted'
            when previous_op is null then 'created'
            when previous_op = 'delete' then 'returned'
            else 'changed'
        end as change
    from ordered
),

-- A changed row beside what it was.
changed as (
    select
        changes.record_id,
        version.body,
        version.identifiers,
        version.consent,
        version.status,
        previous.body as previous_body,
        previous.identifiers as previous_identifiers,
        previous.consent as previous_consent,
        previous.status as previous_status
    from changes
    inner join versions as version on changes.record_id = version.record_id
    inner join versions as previous on changes.previous_record_id = previous.record_id
    where changes.change = 'changed'
),

keys as (
    select
        changed.record_id,
        key.key as path
    from changed
    {{ each(json_keys('changed.body'), 'key') }}
    union
    select
        changed.record_id,
        key.key as path
    from changed
    {{ each(json_keys('changed.previous_body'), 'key') }}
),

values_of_keys as (
    select
        keys.record_id,
        keys.path,
        {{ json_member('changed.body', 'keys.path') }} as value,
        {{ json_member('changed.previous_body', 'keys.path') }} as previous_value
    from keys
    inner join changed on keys.record_id = changed.record_id
),

-- What is not the same in both versions: a key of the body, or a column beside it.
differences as (
    select
        record_id,
        path
    from values_of_keys
    where value is distinct from previous_value
    union
    select
        record_id,
        'identifiers' as path
    from changed
    where identifiers is distinct from previous_identifiers
    union
    select
        record_id,
        'consent' as path
    from changed
    where consent is distinct from previous_consent
    union
    select
        record_id,
        'status' as path
    from changed
    where status is distinct from previous_status
),

listed as (
    select
        record_id,
        array_sort(array_agg(path)) as changed_columns
    from differences
    group by record_id
),

final as (
    select
        changes.stream,
        changes.source_id,
        changes.row_key,
        changes.record_id,
        changes.previous_record_id,
        changes.received_at as changed_at,
        changes.change,
        listed.changed_columns,
        changes._load_id
    from changes
    left join listed on changes.record_id = listed.record_id
)

select * from final

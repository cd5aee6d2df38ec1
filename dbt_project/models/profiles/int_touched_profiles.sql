{{ config(post_hook="{{ remember_run() }}") }}

with

profile_touches as (select * from {{ ref('int_profile_touches') }}),

touched_origins as (select * from {{ ref('int_touched_origins') }}),

record_profiles as (select * from {{ ref('int_record_profiles') }}),

-- Whose records or identity changed; and whose rows did, though both stayed.
final as (
    select profile_id
    from profile_touches
    where _touch_id > {{ seen_by_all([
        'fct_attribute_changes', 'int_profile_days', 'int_profile_products',
    ], 'int_profile_touches', '_touch_id') }}
    union
    select record_profiles.profile_id
    from touched_origins
    inner join record_profiles on touched_origins.record_id = record_profiles.record_id
)

select * from final

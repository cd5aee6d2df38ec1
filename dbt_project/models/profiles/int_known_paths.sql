with

record_traits as (select * from {{ ref('int_record_traits') }}),

attribute_rules as (select * from {{ ref('attribute_rules') }}),

paths as (
    select
        path,
        max(case when kind = 'list' then 1 else 0 end) = 1 as holds_lists
    from record_traits
    group by path
),

-- Nearly all paths are plain: whatever was said last is the value. A fold is no more
-- than that where nobody ever said a list.
final as (
    select
        paths.path,
        coalesce(attribute_rules.rule, 'fold') as rule,
        case coalesce(attribute_rules.rule, 'fold')
            when 'fold' then not paths.holds_lists
            when 'latest' then true
            else false
        end as is_plain
    from paths
    left join attribute_rules on paths.path = attribute_rules.path
)

select * from final

with

sessions as (select * from {{ ref('int_sessions') }}),

traffic_sources as (select * from {{ ref('traffic_sources') }}),

hosts as (
    select distinct referrer_host from sessions
    where referrer_host is not null
),

-- A site is known by the longest end of its name that the list has.
host_ends as (
    select
        referrer_host,
        regexp_replace(referrer_host, '^www[.]', '') as host_end
    from hosts
    union
    select
        referrer_host,
        regexp_replace(referrer_host, '^[^.]+[.]', '') as host_end
    from hosts
    union
    select
        referrer_host,
        regexp_replace(referrer_host, '^[^.]+[.][^.]+[.]', '') as host_end
    from hosts
),

-- A pattern such as google.* knows a site under any top-level domain.
host_names as (
    select
        referrer_host,
        host_end as source
    from host_ends
    union
    select
        referrer_host,
        regexp_replace(host_end, '[.][a-z]+$', '.*') as source
    from host_ends
    union
    select
        referrer_host,
        regexp_replace(host_end, '[.](co|com|net|org)[.][a-z][a-z]$', '.*') as source
    from host_ends
),

final as (
    select
        host_names.referrer_host,
        {{ max_by(
            'traffic_sources.name',
            ['length(host_names.source)', 'host_names.source']
        ) }} as name,
        {{ max_by(
            'traffic_sources.category',
            ['length(host_names.source)', 'host_names.source']
        ) }} as category
    from host_names
    inner join traffic_sources on host_names.source = traffic_sources.source
    group by host_names.referrer_host
)

select * from final

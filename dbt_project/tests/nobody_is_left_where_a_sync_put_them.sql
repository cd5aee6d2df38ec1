-- People at a destination whose sync has no row any more: nobody takes them back. Put
-- the row back, with the state retired. A warning: what else is planned stays right.
{{ config(severity='warn') }}
select
    sync_name,
    count(*) as people
from {{ ref('int_sync_delivered') }}
where
    is_present
    and sync_name not in (select sync_name from {{ ref('syncs') }})
group by sync_name

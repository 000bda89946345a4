-- Which runs, of which something has left, may purchases still say something new of; and in which days?
select run_id, on_date, on_date + response_days(settings) as until, cast(shop #>> '{margin,gross}' as numeric) as gross
from run r
where on_date + response_days(settings) + :return_days >= cast(:on as date) and on_date <= cast(:on as date)
    and exists (select from shard s where s.run_id = r.run_id and s.accepted + s.unknown > 0)
order by on_date, number

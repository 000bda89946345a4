-- With which draws of the shop's holdout were the year's runs planned, since when, and from which base? The last one
-- first: that is in force.
select shop #>> '{holdout,seed}' as seed, cast(shop #>> '{holdout,share}' as float) as share, min(on_date) as starts,
    (array_agg(snapshot_id order by on_date, number))[1] as snapshot_id
from run
where extract(year from on_date) = :year and cast(shop #>> '{holdout,share}' as float) > 0
group by 1, 2
order by max(number) desc

-- Which runs are there of these days, with their campaigns as they were planned, and how many messages left?
select r.run_id, r.campaign, r.on_date, r.settings, r.state, r.planned, s.left
from run r
cross join lateral (
    select coalesce(sum(accepted + unknown), 0)::int as left from shard where shard.run_id = r.run_id
) s
where r.on_date between :first and :last
order by r.on_date, r.number

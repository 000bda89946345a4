-- Which shards hold messages of people who were erased, and how many? They can't be made again.
select m.channel, m.shard, count(*) as messages
from public.message m
where m.run_id = :run_id
    and exists (select from public.hold h where h.customer_id = m.customer_id and h.reason = 'erased')
group by m.channel, m.shard
order by m.channel, m.shard

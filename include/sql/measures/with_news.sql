-- Which large runs of these days must be counted anew: has an outcome come since, a credit, another state of a message?
with counted as (
    select r.run_id, r.number, p.rows, p.counted_at
    from run r
    left join outcome_part p on p.name = 'measures' and p.of = r.run_id
    where r.on_date between :since and :until and r.planned > :live
), heard as (
    select distinct m.run_id
    from outcome o
    join message m using (message_id)
    where o.recorded_at >= (select min(counted_at) from counted) - cast(:late as interval)
), moved as (
    select run_id, sum(accepted + unknown) as sent, sum(unknown) as in_doubt, sum(refused) as refused,
        sum(cancelled) as cancelled
    from shard
    where run_id in (select run_id from counted)
    group by run_id
)
select c.run_id
from counted c
left join heard h using (run_id)
left join moved m using (run_id)
left join lateral (
    select sum((one ->> 'sent')::bigint) as sent, sum((one ->> 'in_doubt')::bigint) as in_doubt,
        sum((one ->> 'refused')::bigint) as refused, sum((one ->> 'cancelled')::bigint) as cancelled
    from jsonb_array_elements(c.rows -> 'parts') one
) t on true
where c.counted_at is null or h.run_id is not null
    or exists (
        select
        from credit b
        where b.run_id = c.run_id and b.known_at >= c.counted_at - cast(:late as interval)
    )
    or (m.sent, m.in_doubt, m.refused, m.cancelled) is distinct from (t.sent, t.in_doubt, t.refused, t.cancelled)
order by c.number

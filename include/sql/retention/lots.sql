-- Which lots are past their days, and so their files? Those handed over before; and those that were printed and never
-- handed over, of which no letter waits any more. Where each letter stood stays in the base, for returns and reprints.
select l.run_id, l.number
from lot l
where l.handed_over_at < :before
union
select s.run_id, s.shard
from shard s
join run r using (run_id)
where s.channel = 'letter' and r.planned_at < :before
    and not exists (select from lot l where l.run_id = s.run_id and l.number = s.shard)
    and not exists (
        select from message m
        where m.run_id = s.run_id and m.channel = 'letter' and m.shard = s.shard
            and m.state in ('planned', 'claimed', 'unknown')
    )
order by run_id, number

-- Which events turned out to be one and the same? Of each only the first to happen stays, known since any of them was.
with same as (
    select * from unnest(cast(:gone as uuid[]), cast(:stays as uuid[])) as s (gone, stays)
), dropped as (
    delete from outcome o
    using same s
    where o.source = 'sendgrid' and o.source_key = s.gone::text
    returning s.stays, o.recorded_at
), dropped_apart as (
    delete from event_apart a
    using same s
    where a.event = s.gone
)
update outcome o
set recorded_at = d.recorded_at
from (select stays, min(recorded_at) as recorded_at from dropped group by stays) d
where o.source = 'sendgrid' and o.source_key = d.stays::text and o.recorded_at > d.recorded_at

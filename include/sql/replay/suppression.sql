-- Which addresses and numbers were suppressed then?
create temp view suppression as
select s.suppression_id, s.channel, s.mark, s.reason, s.recorded_at, s.mark_key, s.source,
    cast(null as timestamptz) as lifted_at, cast(null as text) as lifted_by
from public.suppression s, replayed p
where s.recorded_at <= p.planned_at and (s.lifted_at is null or s.lifted_at > p.planned_at)

-- Which of the suppressions that came with a list are not here yet? The earliest of each counts, in one order for all
-- who import at once.
insert into suppression (channel, mark, reason, recorded_at, mark_key, source)
select channel, mark, reason, min(recorded_at), :key, :source
from incoming_suppression
group by channel, mark, reason
order by channel, mark, reason
on conflict (channel, mark, reason) where lifted_at is null do nothing

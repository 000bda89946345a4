-- Which of these addresses and numbers are suppressed from now on, and were not before?
insert into suppression (channel, mark, reason, recorded_at, mark_key, source)
select i.channel, i.mark, i.reason, :at, :key, i.source
from unnest(
    cast(:channels as text[]), cast(:marks as bytea[]), cast(:reasons as text[]), cast(:sources as text[])
) as i (channel, mark, reason, source)
on conflict (channel, mark, reason) where lifted_at is null do nothing

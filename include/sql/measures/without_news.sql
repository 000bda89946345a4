-- What is kept of the large runs of these days that have no news is as good as counted now.
update outcome_part p
set counted_at = :at
from run r
where p.name = 'measures' and p.of = r.run_id and p.counted_at < :at
    and r.on_date between :since and :until and r.planned > :live and r.run_id <> all(cast(:news as text[]))

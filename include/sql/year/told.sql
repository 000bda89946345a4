-- What was told of each year's holdout: by the last base of those known, and by the first one that had the whole year?
with known as (
    select y.period_id, y.snapshot_id, bool_and(y.closed) as closed
    from year_response y
    where y.known_at <= :known
    group by y.period_id, y.snapshot_id
), chosen as (
    select period_id, max(snapshot_id) as last, min(snapshot_id) filter (where closed) as first
    from known
    group by period_id
)
select p.period_id, p.year, p.seed, p.share, p.starts, y.*, y.snapshot_id = c.last as last
from chosen c
join year_period p using (period_id)
join year_response y on y.period_id = c.period_id and y.snapshot_id in (c.last, c.first)
order by p.year desc, p.starts desc, p.period_id desc, y.snapshot_id desc, y.held

-- Which campaigns have run, since when, how often, and which was the last run of each?
select campaign, min(on_date) as first, count(*)::int as runs,
    (array_agg(run_id order by on_date desc, number desc))[1] as run_id, max(on_date) as last
from run
group by campaign

-- Which runs were there in these days, how large, and of which kind?
select run_id, campaign, coalesce(settings -> 'title', '{}'::jsonb) as title, on_date, coalesce(settings ->> 'kind', '') as kind,
    planned, held_out
from run
where on_date between :first and :last and planned > 0
order by planned desc, run_id

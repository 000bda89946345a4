-- Which runs held customers out, how many, and what did both sides buy, as the last customer base told it?
with last as (
    select distinct on (run_id) run_id, snapshot_id, known_at, until, closed
    from response
    order by run_id, known_at desc, snapshot_id desc
), bought as (
    select l.run_id, l.until, l.closed,
        coalesce(sum(p.customers) filter (where p.treated), 0)::int as written,
        coalesce(sum(p.buyers) filter (where p.treated), 0)::int as written_buyers,
        coalesce(sum(p.customers) filter (where not p.treated and p.scope = 'campaign'), 0)::int as held,
        coalesce(sum(p.buyers) filter (where not p.treated and p.scope = 'campaign'), 0)::int as held_buyers
    from last l
    join response p on p.run_id = l.run_id and p.snapshot_id = l.snapshot_id and p.known_at = l.known_at
    group by l.run_id, l.until, l.closed
)
select r.run_id, r.campaign, coalesce(r.settings -> 'title' ->> cast(:language as text), r.campaign) as title, r.on_date,
    r.planned, r.held_out, coalesce((r.settings ->> 'holdout')::float, 0) as share, b.until, b.closed, b.written,
    b.written_buyers, b.held, b.held_buyers
from run r
left join bought b using (run_id)
where r.held_out > 0 or b.held > 0
order by r.on_date desc, r.number desc
limit :most

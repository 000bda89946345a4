-- Which runs are there, how large are they, what has left of them and what do they cost?
select r.run_id, coalesce(r.settings -> 'title' ->> cast(:language as text), r.campaign) as title, r.campaign,
    r.settings ->> 'kind' as kind, r.on_date, r.planned_at,
    case when r.state = 'open' and coalesce(s.settled, 0) = r.planned then 'done' else r.state end as standing,
    r.audience, r.planned, coalesce(s.left_us, 0)::int as left_us, coalesce(s.arrived, 0)::int as arrived, r.cost_micros
from run r
left join (
    select run_id, sum(accepted + refused + unknown + cancelled) as settled, sum(accepted + unknown) as left_us,
        sum(delivered) as arrived
    from shard
    group by run_id
) s using (run_id)

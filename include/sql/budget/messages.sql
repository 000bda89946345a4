-- Which messages of the year have left, to whom, and what did each cost?
select m.message_id, m.customer_id, extract(quarter from r.on_date)::int as quarter, r.run_id, r.campaign,
    coalesce(r.settings ->> 'kind', '') as kind, r.on_date, m.segment, m.channel, m.cost_micros
from run r
join message m using (run_id)
where r.on_date between :first and :last and m.state in ('accepted', 'unknown')

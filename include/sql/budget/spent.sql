-- What did a year's campaigns cost, by quarter, campaign, group and channel: what has left, and what still may?
select extract(quarter from r.on_date)::int as quarter, r.campaign, coalesce(r.settings ->> 'kind', '') as kind,
    m.segment, m.channel,
    count(*) filter (where m.state in ('accepted', 'unknown')) as sent,
    coalesce(sum(m.cost_micros) filter (where m.state in ('accepted', 'unknown')), 0)::bigint as spent_micros,
    count(*) filter (where m.state in ('planned', 'claimed')) as waiting,
    coalesce(sum(m.cost_micros) filter (where m.state in ('planned', 'claimed')), 0)::bigint as promised_micros
from run r
join message m using (run_id)
where r.on_date between :first and :last
group by 1, 2, 3, 4, 5
order by 1, 2, 3, 4, 5

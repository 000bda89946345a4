-- What did a year's campaigns cost, by quarter, campaign, group and channel: what has left, and what still may?
with runs as materialized ( -- else the settings of its run would be read for every message
    select run_id, extract(quarter from on_date)::int as quarter, campaign, coalesce(settings ->> 'kind', '') as kind
    from run
    where on_date between :first and :last
)
select r.quarter, r.campaign, r.kind, m.segment, m.channel,
    count(*) filter (where m.state in ('accepted', 'unknown')) as sent,
    coalesce(sum(m.cost_micros) filter (where m.state in ('accepted', 'unknown')), 0)::bigint as spent_micros,
    count(*) filter (where m.state in ('planned', 'claimed')) as waiting,
    coalesce(sum(m.cost_micros) filter (where m.state in ('planned', 'claimed')), 0)::bigint as promised_micros
from runs r
join message m using (run_id)
group by 1, 2, 3, 4, 5
order by 1, 2, 3, 4, 5

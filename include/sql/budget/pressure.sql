-- How many messages did each customer of the base get, by quarter and channel, calls over the whole year (quarter 0): how
-- many customers got so many? The row without a channel has all of them, of whom the others got none.
with base as (
    select s.customer_id
    from segment s
    join customer c using (customer_id)
    where s.segment <> 'prospect' and c.gone is null
), runs as materialized ( -- else the quarter would be worked out for every message
    select run_id, extract(quarter from on_date)::int as quarter from run where on_date between :first and :last
), got as (
    select m.customer_id, m.channel, count(*)::int as messages,
        case when m.channel = 'call' then 0 else r.quarter end as quarter
    from runs r
    join message m using (run_id)
    where m.state in ('accepted', 'unknown')
    group by 1, 2, 4
)
select g.quarter, g.channel, g.messages, count(*)::int as customers
from got g
join base b using (customer_id)
group by 1, 2, 3
union all
select 0, '', 0, count(*)::int from base
order by 1, 2, 3

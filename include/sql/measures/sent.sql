-- Which messages have left, to whom, by which channel, on which run's day, with which code?
select m.customer_id, m.channel, r.on_date, coalesce(m.offer_code, '') as offer_code
from message m
join run r using (run_id)
where m.state in ('accepted', 'unknown')
order by r.on_date, r.run_id, m.customer_id, m.channel -- ids are drawn anew in every house

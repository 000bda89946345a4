-- Which messages of this channel are for these customers?
select run_id, array_agg(message_id) as ids
from message
where channel = :channel and customer_id = any(cast(:ids as text[]))
group by run_id
order by run_id

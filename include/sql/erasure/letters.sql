-- In which lots are the letters of these customers, and on which pages?
select run_id, shard, array_agg(message_id) as ids, array_agg(first_page) as first_pages, array_agg(pages) as pages
from message
where channel = 'letter' and customer_id = any(cast(:ids as text[]))
group by run_id, shard
order by run_id, shard

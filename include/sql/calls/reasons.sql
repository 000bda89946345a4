-- Why have customers left, as they told it on the phone?
select reason, count(distinct customer_id) as customers
from call_attempt
where reason is not null and dialled_at >= :since and (cast(:run_id as text) is null or run_id = :run_id)
group by reason
order by customers desc, reason

-- How many lines of which call lists are still open though the list has ended, and are in no agent's hands?
select run_id, count(*) as lines, max(expires_at) as ended_at
from call_line
where status = 'open' and expires_at <= :at and (reserved_by is null or reserved_until <= :at)
group by run_id
order by run_id

-- When was this customer dialled before, by whom, and what came of it?
select attempt_id, run_id, agent, dialled_at, ended_at, disposition, reason, notes, source, barrier
from call_attempt
where customer_id = :customer_id
order by dialled_at desc, attempt_id desc
limit :most

-- Which lines are still open though their list has ended? Not what an agent has in hand.
select message_id, attempts
from call_line
where status = 'open' and expires_at <= :at and reserved_by is null
order by message_id
for update skip locked

-- For whom is this step still to do? Not while a worker has a message of theirs in hand.
select e.customer_id
from erasure e
where e.finished_at is null and :step <> all(e.done)
    and not exists (select from message m where m.customer_id = e.customer_id and m.state = 'claimed')
order by e.customer_id

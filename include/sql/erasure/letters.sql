-- In which lots may letters of these customers stand: the one that each was planned for, and those it was printed in?
select run_id, number, array_agg(message_id) as ids
from (
    select run_id, shard as number, message_id
    from message
    where channel = 'letter' and customer_id = any(cast(:ids as text[]))
    union
    select l.run_id, l.number, t.message_id
    from message m
    join lot_letter t using (message_id)
    join lot l using (lot_id)
    where m.customer_id = any(cast(:ids as text[]))
) as theirs
group by run_id, number
order by run_id, number

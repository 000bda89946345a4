-- To whom did these mails go, is that surely their address still, and what has been told of them by mail already?
select m.message_id, m.customer_id, c.email,
    coalesce(s.loaded_at <= r.planned_at, false) as unchanged, -- nothing of the customer has changed since the plan
    array(
        select o.kind from outcome o where o.message_id = m.message_id and o.source = any(cast(:sources as text[]))
    ) as told
from message m
join run r using (run_id)
join customer c using (customer_id)
left join snapshot s on s.snapshot_id = c.snapshot_id
where m.message_id = any(cast(:ids as uuid[])) and m.channel = 'email'

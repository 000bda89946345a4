-- Who got this message, and how do they wish to be written to?
select m.customer_id, c.language, p.language as wished_language, coalesce(p.fewer, false) as fewer,
    c.email, c.email_mark, c.mark_key,
    c.customer_id is null or exists (
        select from hold h where h.customer_id = m.customer_id and h.reason = 'erased' and h.closed_at is null
    ) as erased
from message m
left join customer c using (customer_id)
left join lateral (
    select language, fewer from preference where customer_id = m.customer_id order by preference_id desc limit 1
) p on true
where m.message_id = :message_id

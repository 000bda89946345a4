-- Until when does somebody else have this person, or their telephone, in hand by another line?
select max(coalesce(l.reserved_until, l.expires_at)) as until
from call_line l
where l.message_id <> :message_id and l.status = 'open' and (
    (l.reserved_by is not null and l.reserved_until > :at and (l.customer_id = :customer_id or l.phone_mark = :mark))
    or (l.customer_id = :customer_id and l.assigned_to <> :agent)
)

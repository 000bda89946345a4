-- Whose address sends letters back, as it stands now, and what did the post say? Who has left, died or been erased is
-- not asked for another one.
select c.customer_id, coalesce(o.reason, 'other') as reason,
    coalesce((o.occurred_at at time zone :zone)::date, (s.recorded_at at time zone :zone)::date) as returned_on, o.run_id
from suppression s
join customer c on c.letter_mark = s.mark
left join lateral (
    select o.reason, o.occurred_at, m.run_id
    from message m
    join outcome o using (message_id)
    where m.customer_id = c.customer_id and m.channel = 'letter' and o.kind = 'returned'
    order by o.occurred_at desc, o.outcome_id desc
    limit 1
) o on true
where s.channel = 'letter' and s.reason = 'returned_letter' and s.lifted_at is null
    and c.gone is null and c.deceased_on is null
    and not exists (
        select from hold h where h.customer_id = c.customer_id and h.reason = 'erased' and h.closed_at is null
    )
order by c.customer_id

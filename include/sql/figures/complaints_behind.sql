-- Which complaints were recorded in the period, and are they settled? Each once, as they are counted.
select customer_id, (opened_at at time zone :zone)::date as opened, (closed_at at time zone :zone)::date as closed
from (
    select customer_id, opened_at, closed_at from complaint
    union all
    select h.customer_id, h.opened_at, h.closed_at
    from hold h
    where h.reason = 'complaint' and not exists (
        select from complaint c
        where c.customer_id = h.customer_id and c.opened_at >= h.opened_at
            and (h.closed_at is null or c.opened_at < h.closed_at)
    )
) as told
where (opened_at at time zone :zone)::date > :starts and (opened_at at time zone :zone)::date <= :ends
order by opened, customer_id

-- On which days of the shop were complaints recorded, and how many?
-- Each once: the hold that a complaint opens, or that it came in under, is no second one.
select (opened_at at time zone :zone)::date as day, count(*) as complaints
from (
    select opened_at from complaint
    union all
    select h.opened_at
    from hold h
    where h.reason = 'complaint' and not exists (
        select from complaint c
        where c.customer_id = h.customer_id and c.opened_at >= h.opened_at
            and (h.closed_at is null or c.opened_at < h.closed_at)
    )
) as told
where (opened_at at time zone :zone)::date <= :on
group by 1

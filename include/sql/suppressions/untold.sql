-- Which present customers are suppressed here for mail, and on none of the provider's lists?
select distinct on (c.email_mark) c.email_mark, c.email
from customer c
where c.gone is null and c.mark_key = :key and c.email is not null
    and exists (
        select from suppression s where s.channel = 'email' and s.mark = c.email_mark and s.lifted_at is null
    )
    and not exists (select from told_suppression t where t.mark = c.email_mark)
order by c.email_mark, c.customer_id

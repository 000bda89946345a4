-- What do a provider's lists say that is news here? Who is on the list of unsubscribes for any reason of ours may have
-- been put there by us; who was lifted here since came onto the list for something that is over.
with news as (
    select distinct on (t.mark, t.reason) t.list, t.mark, t.reason, t.created
    from told_suppression t
    where not exists (
            select from suppression s
            where s.channel = 'email' and s.mark = t.mark and s.lifted_at is null
                and (s.reason = t.reason or t.list = 'unsubscribes')
        )
        and not exists (
            select from suppression s
            where s.channel = 'email' and s.mark = t.mark and s.lifted_at >= t.created
        )
    order by t.mark, t.reason, t.created
), added as (
    insert into suppression (channel, mark, reason, recorded_at, mark_key, source)
    select 'email', n.mark, n.reason, n.created, :key, 'sendgrid'
    from news n
    order by n.mark, n.reason
    on conflict (channel, mark, reason) where lifted_at is null do nothing
    returning mark, reason
)
select n.list, count(*) as entries
from added a
join news n using (mark, reason)
group by n.list

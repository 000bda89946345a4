-- How many entries of a provider's lists are older than the day when somebody here lifted them?
select t.list, count(*) as entries
from told_suppression t
where exists (
        select from suppression s
        where s.channel = 'email' and s.mark = t.mark and s.lifted_at >= t.created
    )
    and not exists (select from suppression s where s.channel = 'email' and s.mark = t.mark and s.lifted_at is null)
group by t.list

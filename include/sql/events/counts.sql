-- What is kept apart, and how many of each: posts that wait or can't be read, events by reason and type?
select 'post' as what, case when applied_at is null then 'waiting' else 'unreadable' end as why, null as type,
    count(*) as number, min(received_at) as since
from webhook_post
where applied_at is null or error is not null
group by 2
union all
select 'event', why, type, count(*), min(recorded_at)
from event_apart
group by why, type
order by what desc, why, type nulls last

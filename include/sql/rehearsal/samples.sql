-- Which messages are shown as samples? The first of each group, arm and language; so many a channel at most, each group
-- and arm in its most frequent language before any in another.
with kind as (
    select channel, segment, arm, language, count(*) as messages, min(position) as position
    from planned_message
    group by channel, segment, arm, language
), placed as (
    select *, row_number() over (partition by channel, segment, arm order by messages desc, language) as place
    from kind
), ranked as (
    select *, row_number() over (partition by channel order by place, segment, arm, language) as number
    from placed
)
select p.message_id, p.customer_id, p.channel, p.shard
from ranked r
join planned_message p using (channel, position)
where r.number <= :most
order by p.channel, r.number

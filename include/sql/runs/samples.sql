-- Which of a run's messages are shown as samples? Of those that stand first in each shard the first of each group, arm
-- and language, so many a channel at most; nobody who was erased.
with looked_at as (
    select m.*
    from shard s
    cross join lateral (
        select message_id, channel, shard, segment, arm, language, template, position
        from message
        where message.run_id = s.run_id and message.channel = s.channel and message.shard = s.shard
            and not exists (select from hold h where h.customer_id = message.customer_id and h.reason = 'erased')
        order by position
        limit :looked_at
    ) m
    where s.run_id = :run_id
), kind as (
    select distinct on (channel, segment, arm, language) *
    from looked_at
    order by channel, segment, arm, language, position
), ranked as (
    select *, row_number() over (partition by channel order by segment, arm nulls first, language) as number from kind
)
select message_id, channel, shard, segment, arm, language, template
from ranked
where number <= :most
order by channel, number

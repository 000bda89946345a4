-- Which of these events are news? They are kept, and counted where the same had not happened to that message before.
with told as (
    select * from unnest(
        cast(:ids as uuid[]), cast(:kinds as text[]), cast(:moments as timestamptz[]), cast(:sources as text[]),
        cast(:keys as text[]), cast(:reasons as text[])
    ) as o (message_id, kind, occurred_at, source, source_key, reason)
), news as (
    insert into outcome (message_id, kind, occurred_at, recorded_at, source, source_key, reason)
    select o.message_id, o.kind, o.occurred_at, :at, o.source, o.source_key, o.reason
    from told o
    join message m using (message_id)
    on conflict (source, source_key) do nothing
    returning outcome_id, message_id, kind
), first_of_kind as (
    select distinct n.message_id, n.kind
    from news n
    where not exists (select from outcome o where o.message_id = n.message_id and o.kind = n.kind)
), tallied as (
    update shard s
    set delivered = s.delivered + t.delivered, hard_bounces = s.hard_bounces + t.hard_bounces,
        complaints = s.complaints + t.complaints
    from (
        select m.run_id, m.channel, m.shard,
            count(*) filter (where f.kind = 'delivered') as delivered,
            count(*) filter (where f.kind = 'hard_bounce') as hard_bounces,
            count(*) filter (where f.kind = 'complaint') as complaints
        from first_of_kind f
        join message m using (message_id)
        group by m.run_id, m.channel, m.shard
    ) t
    where s.run_id = t.run_id and s.channel = t.channel and s.shard = t.shard
)
select n.message_id, m.run_id
from news n
join message m using (message_id)

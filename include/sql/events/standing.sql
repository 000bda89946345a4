-- How far did a run's mails get, and what stands against them? What comes late moves none of them back: clicked is more
-- than opened, that more than delivered, deferred and accepted; a bounce and its like stand beside.
with told as (
    select m.message_id, m.state, coalesce(array_agg(distinct o.kind) filter (where o.kind is not null), '{}') as kinds
    from message m
    left join outcome o using (message_id)
    where m.run_id = :run_id and m.channel = 'email'
    group by m.message_id
)
select
    case
        when 'clicked' = any(kinds) then 'clicked'
        when 'opened' = any(kinds) then 'opened'
        when kinds && '{delivered, machine_opened}' then 'delivered'
        when 'deferred' = any(kinds) then 'deferred'
        when 'accepted' = any(kinds) then 'accepted'
        else state
    end as got,
    (
        select string_agg(against, ', ')
        from unnest(cast(:against as text[])) with ordinality as a (against, place)
        where against = any(kinds)
    ) as against,
    count(*) as messages
from told
group by got, against
order by got, against nulls first

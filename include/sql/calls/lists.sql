-- How do the call lists stand: those that are open or ended lately, or one?
select l.run_id, r.settings -> 'title' as title, min(l.opened_at) as opened_at, max(l.expires_at) as expires_at,
    count(*) as total,
    count(*) filter (where l.status = 'open') as "open",
    count(*) filter (where l.status = 'open' and l.reserved_by is not null and l.reserved_until > :at) as reserved,
    count(*) filter (where l.status = 'open' and l.callback_at is not null) as callbacks,
    count(*) filter (where l.status = 'done') as done,
    count(*) filter (where l.status = 'closed') as closed,
    count(*) filter (where l.status = 'not_reached') as not_reached,
    count(*) filter (where l.status = 'released') as released,
    coalesce(sum(t.attempts), 0)::int as attempts, coalesce(sum(t.reached), 0)::int as reached,
    coalesce(sum(t.unlawful), 0)::int as unlawful
from call_line l
join run r using (run_id)
left join (
    select message_id, count(*) as attempts,
        max(case when disposition = any(:reached) then 1 else 0 end) as reached, count(barrier) as unlawful
    from call_attempt
    group by message_id
) t using (message_id)
where case when cast(:run_id as text) is null then l.expires_at > :since else l.run_id = :run_id end
group by l.run_id, r.settings -> 'title', r.number
order by r.number desc

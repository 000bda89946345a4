-- Which runs were planned last, how large are they, and what has become of their messages? What is still to leave is
-- counted in the ledger, in the shards that are not through; the rest stands in their tallies.
select r.run_id, r.settings -> 'title' as title, r.on_date, r.state, r.state_reason, r.state_by, r.state_at,
    r.audience, r.planned, r.held_out, r.excluded, r.cost_micros, r.shop ->> 'currency' as currency,
    r.planned_at, r.deliver_until, r.snapshot_id,
    w.planned as waiting, w.mails as mails_waiting, w.claimed, t.accepted, t.refused, t.unknown, t.cancelled
from run r
cross join lateral (
    select count(*) filter (where m.state = 'planned') as planned, count(*) filter (where m.state = 'claimed') as claimed,
        count(*) filter (where m.state = 'planned' and m.channel = 'email') as mails
    from shard s
    join message m using (run_id, channel, shard)
    where s.run_id = r.run_id and s.accepted + s.refused + s.unknown + s.cancelled <> s.messages
        and m.state in ('planned', 'claimed')
) w
cross join lateral (
    select coalesce(sum(s.accepted), 0)::int as accepted, coalesce(sum(s.refused), 0)::int as refused,
        coalesce(sum(s.unknown), 0)::int as unknown, coalesce(sum(s.cancelled), 0)::int as cancelled
    from shard s
    where s.run_id = r.run_id
) t
where cast(:run_id as text) is null or r.run_id = :run_id
order by r.number desc
limit :most

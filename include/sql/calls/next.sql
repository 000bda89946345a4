-- Whom should this agent ring now? Agreed callbacks when their minute comes (who agreed them first, everybody a quarter of
-- an hour later), then the agent's own lines, then the best customer. Nobody at an hour at which they were tried in vain.
select l.message_id
from call_line l
join run r using (run_id)
left join unnest(cast(:laws as text[]), cast(:zones as text[]), cast(:bands as text[])) as o (law, zone, band)
    on o.law = l.law and o.zone = l.timezone
where l.status = 'open' and l.expires_at > :at and (l.reserved_by is null or l.reserved_until <= :at)
    and l.attempt_id is null and (l.not_before is null or l.not_before <= :at)
    and (l.assigned_to is null or l.assigned_to = :agent)
    and (l.callback_at is null or l.owner is null or l.owner = :agent or l.callback_at + :grace <= :at)
    and (cast(:run_id as text) is null or l.run_id = :run_id)
    and r.state = 'open' and not exists (select from stop where lifted_at is null)
    and (o.law is not null or l.callback_at is not null or l.law is null or l.timezone is null)
    and (l.attempts = 0 or (
        not exists (
            select from call_attempt a
            where a.message_id = l.message_id and a.agent = :agent and a.disposition = 'language'
        )
        and (
            l.callback_at is not null
            or not exists (
                select from call_attempt a
                where a.message_id = l.message_id and a.band = o.band
                    and coalesce(a.disposition, '') not in ('busy', 'tech_failure')
            )
            or (select count(distinct a.band) from call_attempt a where a.message_id = l.message_id) >= :every_band
        )
    ))
order by l.callback_at is null, l.callback_at, l.assigned_to is null, l.rank, l.expires_at, l.message_id
limit 1
for update of l skip locked

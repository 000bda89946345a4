-- May messages of this run leave at this moment, and if not, why?
select case
        when exists (select from stop where lifted_at is null) then 'stopped'
        when r.state <> 'open' then r.state
        when r.approvals_needed > (
            select count(distinct a.said_by)
            from approval a
            where a.run_id = r.run_id and a.decision = 'approved'
                and a.audience_sha256 = r.audience_sha256 and a.content_sha256 = r.content_sha256
        ) then 'unapproved'
        when :at > r.deliver_until then 'late'
    end as shut,
    exists ( -- only what was planned, or let go, after this plan can have used up what it left of the caps
        select from run o
        where abs(o.on_date - r.on_date) < :longest_cap and o.run_id <> r.run_id and (
            o.number > r.number or o.state_at > r.planned_at
            or exists (select from approval a where a.run_id = o.run_id and a.said_at > r.planned_at)
        )
    ) as crowded,
    coalesce((select reason from stop where lifted_at is null), r.state_reason) as reason
from run r
where r.run_id = :run_id

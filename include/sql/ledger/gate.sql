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
    exists (
        select from run o where o.number > r.number and abs(o.on_date - r.on_date) < :longest_cap
    ) as crowded, -- by runs that were planned later: only they can have used up what this one's plan has counted
    coalesce((select reason from stop where lifted_at is null), r.state_reason) as reason
from run r
where r.run_id = :run_id

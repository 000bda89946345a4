-- Who said what to the run, and does it hold for the run as it is now?
select a.step, a.decision, a.said_by, a.said_at,
    a.audience_sha256 = r.audience_sha256 and a.content_sha256 = r.content_sha256 as stands
from approval a
join run r using (run_id)
where a.run_id = :run_id
order by a.approval_id

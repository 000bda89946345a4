-- May this address be mailed again, as far as its owner had unsubscribed? Bounces and complaints stay.
update suppression
set lifted_at = :at, lifted_by = 'person'
where channel = 'email' and mark = :mark and reason = 'unsubscribed' and lifted_at is null

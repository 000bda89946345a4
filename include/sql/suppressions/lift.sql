-- Which of these addresses and numbers may be used again from now on?
update suppression
set lifted_at = :at, lifted_by = :by
where channel = :channel and mark = any(cast(:marks as bytea[])) and lifted_at is null

-- Whose worker died between claim and answer? Such a message may have left: it becomes unknown, never planned again.
update message
set state = 'unknown', reason = 'lease ran out', settled_at = :at, lease_until = null
where run_id = :run_id and channel = :channel and state = 'claimed' and lease_until < :at

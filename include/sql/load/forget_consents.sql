-- What is nothing to learn any more? What a shop still delivers of the consents of those who were erased: the proof that
-- the base had stays for its period.
delete from incoming_consent i
using hold h
where h.customer_id = i.customer_id and h.reason = 'erased' and h.closed_at is null

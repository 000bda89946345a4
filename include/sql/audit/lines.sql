-- Who saw, took out, changed or had forgotten whose data?
select audit_id, at, said_by, what, customer_id, subject, people
from audit

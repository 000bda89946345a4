-- Which consents are new? Events are only ever added: an import takes nothing back that a customer said here.
insert into consent (customer_id, channel, purpose, status, basis, recorded_at, valid_until, source, wording_version)
select customer_id, channel, purpose, status, basis, recorded_at at time zone 'UTC', valid_until, source, wording_version
from incoming_consent
on conflict (customer_id, channel, purpose, recorded_at, status) do nothing

-- What has this customer ever allowed or refused, and what proves it?
select consent_id, channel, status, recorded_at, basis, source, wording_version, valid_until, direct, known_at
from consent
where customer_id = :customer_id and purpose = 'marketing'

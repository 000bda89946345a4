-- Whom must the base not know again, whatever a snapshot from before their erasure holds? Their number alone comes in.
update incoming_customer i
set civility = null, first_name = null, last_name = null, birth_date = null, email = null, phone = null,
    phone_region = null, timezone = null, street = null, address_extra = null, postcode = null, city = null,
    country = null, created_on = null, deceased_on = null, household = null
from hold h
where h.customer_id = i.customer_id and h.reason = 'erased' and h.closed_at is null

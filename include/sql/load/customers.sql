-- Which customers are new or changed since the last snapshot? Only those are written.
insert into customer as c (
    customer_id, civility, first_name, last_name, birth_date, language, email, phone, phone_region, timezone,
    street, address_extra, postcode, city, country, created_on, deceased_on, household,
    letter_barrier, email_barrier, call_barrier, snapshot_id, gone
)
select
    customer_id, civility, first_name, last_name, birth_date, language, email, phone, phone_region, timezone,
    street, address_extra, postcode, city, country, created_on, deceased_on, household,
    letter_barrier, email_barrier, call_barrier, snapshot_id, null
from incoming_customer
on conflict (customer_id) do update set
    civility = excluded.civility, first_name = excluded.first_name, last_name = excluded.last_name,
    birth_date = excluded.birth_date, language = excluded.language, email = excluded.email, phone = excluded.phone,
    phone_region = excluded.phone_region, timezone = excluded.timezone, street = excluded.street,
    address_extra = excluded.address_extra, postcode = excluded.postcode, city = excluded.city,
    country = excluded.country, created_on = excluded.created_on, deceased_on = excluded.deceased_on,
    household = excluded.household, letter_barrier = excluded.letter_barrier, email_barrier = excluded.email_barrier,
    call_barrier = excluded.call_barrier, snapshot_id = excluded.snapshot_id, gone = null
where (
    c.civility, c.first_name, c.last_name, c.birth_date, c.language, c.email, c.phone, c.phone_region, c.timezone,
    c.street, c.address_extra, c.postcode, c.city, c.country, c.created_on, c.deceased_on, c.household,
    c.letter_barrier, c.email_barrier, c.call_barrier, c.gone
) is distinct from (
    excluded.civility, excluded.first_name, excluded.last_name, excluded.birth_date, excluded.language, excluded.email,
    excluded.phone, excluded.phone_region, excluded.timezone, excluded.street, excluded.address_extra,
    excluded.postcode, excluded.city, excluded.country, excluded.created_on, excluded.deceased_on, excluded.household,
    excluded.letter_barrier, excluded.email_barrier, excluded.call_barrier, null
)

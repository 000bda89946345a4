-- Which customers are new or changed since the last snapshot? Only those are written.
-- Looked up beforehand: `on conflict` would lock, and so write, each row that has not changed.
insert into customer (
    customer_id, civility, first_name, last_name, birth_date, language, email, phone, phone_region, timezone,
    street, address_extra, postcode, city, country, created_on, deceased_on, household, letter_barrier,
    email_barrier, call_barrier, snapshot_id, gone, email_mark, phone_mark, letter_mark, person_mark, mark_key
)
select
    i.customer_id, i.civility, i.first_name, i.last_name, i.birth_date, i.language, i.email, i.phone,
    i.phone_region, i.timezone, i.street, i.address_extra, i.postcode, i.city, i.country, i.created_on,
    i.deceased_on, i.household, i.letter_barrier, i.email_barrier, i.call_barrier, i.snapshot_id, null,
    mark(email_value(i.email), :inner_pad, :outer_pad),
    mark('phone:' || i.phone, :inner_pad, :outer_pad),
    mark(box_value(i.first_name, i.last_name, i.street, i.postcode), :inner_pad, :outer_pad),
    mark(person_value(i.first_name, i.last_name, i.email), :inner_pad, :outer_pad),
    :mark_key
from incoming_customer i
where not exists (
    select
    from customer c
    where c.customer_id = i.customer_id and c.gone is null and c.mark_key = :mark_key and (
        c.civility, c.first_name, c.last_name, c.birth_date, c.language, c.email, c.phone, c.phone_region,
        c.timezone, c.street, c.address_extra, c.postcode, c.city, c.country, c.created_on, c.deceased_on,
        c.household, c.letter_barrier, c.email_barrier, c.call_barrier
    ) is not distinct from (
        i.civility, i.first_name, i.last_name, i.birth_date, i.language, i.email, i.phone, i.phone_region,
        i.timezone, i.street, i.address_extra, i.postcode, i.city, i.country, i.created_on, i.deceased_on,
        i.household, i.letter_barrier, i.email_barrier, i.call_barrier
    )
)
on conflict (customer_id) do update set
    civility = excluded.civility, first_name = excluded.first_name, last_name = excluded.last_name,
    birth_date = excluded.birth_date, language = excluded.language, email = excluded.email,
    phone = excluded.phone, phone_region = excluded.phone_region, timezone = excluded.timezone,
    street = excluded.street, address_extra = excluded.address_extra, postcode = excluded.postcode,
    city = excluded.city, country = excluded.country, created_on = excluded.created_on,
    deceased_on = excluded.deceased_on, household = excluded.household,
    letter_barrier = excluded.letter_barrier, email_barrier = excluded.email_barrier,
    call_barrier = excluded.call_barrier, snapshot_id = excluded.snapshot_id, gone = excluded.gone,
    email_mark = excluded.email_mark, phone_mark = excluded.phone_mark, letter_mark = excluded.letter_mark,
    person_mark = excluded.person_mark, mark_key = excluded.mark_key

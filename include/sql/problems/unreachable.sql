-- Which customers does this rule keep from being reached by this channel?
select customer_id, first_name, last_name, street, address_extra, postcode, city, country, email, phone
from customer
where gone is null and (
    :channel = 'letter' and letter_barrier = :rule
    or :channel = 'email' and email_barrier = :rule
    or :channel = 'call' and call_barrier = :rule
)

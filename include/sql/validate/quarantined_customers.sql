-- Which customer rows are kept out, and why? As the shop wrote them, less NUL bytes and blanks around.
select customer_id, civility, first_name, last_name, birth_date, language, email, phone, street, address_extra, postcode,
    city, country, created_on, deceased_on, reason
from read_parquet($marked)
where reason is not null

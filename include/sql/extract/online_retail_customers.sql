-- Online Retail: who are the customers?
SELECT
  customer_id, civility, first_name, last_name,
  iso_day(birth_date) AS birth_date,
  language, email, phone, street, address_extra,
  postal_code AS postcode,
  city, country,
  iso_day(created_on) AS created_on,
  NULL AS deceased_on
FROM customers

-- Example: who are the customers? Runs as it is on PostgreSQL and on SQLite.
SELECT
  CAST(id AS VARCHAR(40)) AS customer_id,
  CASE title WHEN 'Mr' THEN 'M' WHEN 'Mrs' THEN 'MME' WHEN 'Ms' THEN 'MME' END AS civility,
  first_name,
  last_name,
  birth_date,
  coalesce(language, 'fr') AS language,
  email,
  phone,
  street,
  address_extra,
  postcode,
  city,
  country,
  created_on,
  died_on AS deceased_on
FROM shop_customer

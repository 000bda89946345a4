-- Which customers were delivered, in our columns, and which of them did not exist yet on the date?
SELECT * REPLACE (
    nullif(CAST(customer_id AS VARCHAR), '') AS customer_id,
    nullif(CAST(civility AS VARCHAR), '') AS civility,
    nullif(CAST(first_name AS VARCHAR), '') AS first_name,
    nullif(CAST(last_name AS VARCHAR), '') AS last_name,
    nullif(CAST(birth_date AS VARCHAR), '') AS birth_date,
    nullif(CAST(language AS VARCHAR), '') AS language,
    nullif(CAST(email AS VARCHAR), '') AS email,
    nullif(CAST(phone AS VARCHAR), '') AS phone,
    nullif(CAST(street AS VARCHAR), '') AS street,
    nullif(CAST(address_extra AS VARCHAR), '') AS address_extra,
    nullif(CAST(postcode AS VARCHAR), '') AS postcode,
    nullif(CAST(city AS VARCHAR), '') AS city,
    nullif(CAST(country AS VARCHAR), '') AS country,
    nullif(CAST(created_on AS VARCHAR), '') AS created_on,
    nullif(CAST(deceased_on AS VARCHAR), '') AS deceased_on
  ),
  CASE WHEN TRY_CAST(CAST(created_on AS VARCHAR) AS DATE) > $on THEN 'after_date' END AS outside
FROM delivered

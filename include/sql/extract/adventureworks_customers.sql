-- AdventureWorks: who are the customers? Names as people write them, the country and the first day from their purchases.
WITH bought AS (
  SELECT
    CustomerKey,
    min(OrderDate) AS first_day,
    arg_max(TerritoryKey, (OrderDate, OrderNumber)) AS territory
  FROM sales
  GROUP BY CustomerKey
)
SELECT
  customers.CustomerKey AS customer_id,
  CASE customers.Prefix WHEN 'MR.' THEN 'M' WHEN 'MRS.' THEN 'MME' WHEN 'MS.' THEN 'MME' END AS civility,
  coalesce(nullif(people.FirstName, ''), customers.FirstName) AS first_name,
  coalesce(nullif(people.LastName, ''), customers.LastName) AS last_name,
  iso_day(customers.BirthDate) AS birth_date,
  'en' AS language,
  customers.EmailAddress AS email,
  people.Phone AS phone,
  people.AddressLine1 AS street,
  people.AddressLine2 AS address_extra,
  NULL AS postcode,
  NULL AS city,
  CASE territories.Country
    WHEN 'Australia' THEN 'AU' WHEN 'Canada' THEN 'CA' WHEN 'France' THEN 'FR' WHEN 'Germany' THEN 'DE'
    WHEN 'United Kingdom' THEN 'GB' WHEN 'United States' THEN 'US' END AS country,
  strftime(bought.first_day, '%Y-%m-%d') AS created_on,
  NULL AS deceased_on
FROM customers
LEFT JOIN people ON people.CustomerLabel = customers.CustomerKey
LEFT JOIN bought ON bought.CustomerKey = customers.CustomerKey
LEFT JOIN territories ON territories.SalesTerritoryKey = bought.territory
ORDER BY CAST(customers.CustomerKey AS BIGINT)

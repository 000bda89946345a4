-- Example: who allowed or refused what, when, on what ground?
SELECT
  CAST(customer_id AS VARCHAR(40)) AS customer_id,
  channel,
  purpose,
  status,
  basis,
  recorded_at,
  valid_until,
  source,
  wording_version
FROM shop_consent

-- Online Retail: who allowed or refused what, when, on what ground?
SELECT
  customer_id, channel, purpose, status, basis,
  iso_moment(recorded_at) AS recorded_at,
  iso_day(valid_until) AS valid_until,
  source, wording_version
FROM consents

-- AdventureWorks: who allowed what? Nobody was asked, so nothing is made up: no row.
SELECT
  NULL AS customer_id, NULL AS channel, NULL AS purpose, NULL AS status, NULL AS basis, NULL AS recorded_at,
  NULL AS valid_until, NULL AS source, NULL AS wording_version
WHERE false

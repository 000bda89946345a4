-- Which consents were delivered, in our columns, and which of them were recorded after the date (in shop time)?
SELECT * REPLACE (
    nullif(CAST(customer_id AS VARCHAR), '') AS customer_id,
    nullif(CAST(channel AS VARCHAR), '') AS channel,
    nullif(CAST(purpose AS VARCHAR), '') AS purpose,
    nullif(CAST(status AS VARCHAR), '') AS status,
    nullif(CAST(basis AS VARCHAR), '') AS basis,
    nullif(CAST(recorded_at AS VARCHAR), '') AS recorded_at,
    nullif(CAST(valid_until AS VARCHAR), '') AS valid_until,
    nullif(CAST(source AS VARCHAR), '') AS source,
    nullif(CAST(wording_version AS VARCHAR), '') AS wording_version
  ),
  CASE WHEN CAST(TRY_CAST(CAST(recorded_at AS VARCHAR) AS TIMESTAMPTZ) AS DATE) > $on THEN 'after_date' END AS outside
FROM delivered

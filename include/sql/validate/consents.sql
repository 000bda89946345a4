-- Which consents are published? Typed; moments are UTC, an objection without a purpose is one to marketing.
select customer_id, channel, coalesce(purpose, 'marketing') as purpose, status, basis, recorded_utc as recorded_at,
    last_day as valid_until, source, wording_version
from read_parquet($marked)
where reason is null

-- Which consent rows are kept out, and why?
select customer_id, channel, purpose, status, basis, recorded_at, valid_until, source, wording_version, reason
from read_parquet($marked)
where reason is not null

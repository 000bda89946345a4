-- Which rows does this rule keep in quarantine?
select row_number() over () as row_number, * exclude (reason)
from read_parquet($file)
where reason = $rule

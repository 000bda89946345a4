-- Who may have objected in a row that went to quarantine? On that channel, or on all where it can't be told.
select distinct customer_id, case when channel in ('letter', 'email', 'call') then channel end as channel
from read_parquet($marked)
where reason is not null and customer_id is not null and status is distinct from 'granted'

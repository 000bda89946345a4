-- What is true of the published customers as a whole?
select count(*) as published, count(*) - count(distinct customer_id) as published_twice from read_parquet($checked)

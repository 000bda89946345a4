-- How many rows are kept out for each reason?
select reason, count(*) as lines from read_parquet($marked) where reason is not null group by reason order by reason

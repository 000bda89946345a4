-- How many order lines break each rule?
select reason, count(*) as lines from order_rows where reason is not null group by reason order by reason

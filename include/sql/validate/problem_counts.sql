-- How often was each problem found, and in how many people?
select field, rule, effect, count(*) as found
from read_parquet($checked)
group by field, rule, effect
order by found desc, field, rule, effect

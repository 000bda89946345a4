-- How many people can be reached on each channel, and what keeps the others from it?
select channel, barrier, count(*) as people
from (
    select unnest(['letter', 'email', 'call']) as channel, unnest([letter_barrier, email_barrier, call_barrier]) as barrier
    from read_parquet($checked)
)
group by channel, barrier
order by channel, people desc, barrier

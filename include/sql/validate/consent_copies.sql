-- Which consent rows report an event that another row reports too? The stricter one stays, else the earlier row.
with rows as (
    select file_row_number as row, tidy(customer_id) as id, lower(tidy(channel)) as channel,
        coalesce(tidy(purpose), 'marketing') as purpose, lower(tidy(status)) as status,
        coalesce(cast(epoch_us(try_cast(tidy(recorded_at) as timestamptz)) as varchar), tidy(recorded_at)) as moment,
        valid_until
    from read_parquet($staged, file_row_number = true)
), repeated as (
    select hash(id, channel, purpose, status, moment) as key from rows group by key having count(*) > 1
), placed as (
    select row,
        row_number() over (
            partition by id, channel, purpose, status, moment order by day_of(tidy(valid_until)) nulls last, row
        ) as place
    from rows
    where hash(id, channel, purpose, status, moment) in (select key from repeated)
)
select row from placed where place > 1

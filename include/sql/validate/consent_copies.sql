-- Which consent rows report an event that another row reports too? The stricter one stays, else the earlier row.
with rows as (
    select file_row_number as row, tidy(customer_id) as id, lower(tidy(channel)) as channel, lower(tidy(status)) as status,
        coalesce(tidy(purpose), case when lower(tidy(status)) = 'granted' then '' else 'marketing' end) as purpose,
        coalesce(cast(epoch_us(try_cast(tidy(recorded_at) as timestamptz)) as varchar), tidy(recorded_at)) as moment,
        day_of(tidy(valid_until)) as last_day,
        -- A permission whose end can't be read goes to quarantine for itself.
        lower(tidy(status)) = 'granted' and tidy(valid_until) is not null and day_of(tidy(valid_until)) is null as unclear
    from read_parquet($staged, file_row_number = true)
), repeated as (
    select hash(id, channel, purpose, status, moment, unclear) as key from rows group by key having count(*) > 1
), placed as (
    select row,
        row_number() over (
            partition by id, channel, purpose, status, moment, unclear order by last_day nulls last, row
        ) as place
    from rows
    where hash(id, channel, purpose, status, moment, unclear) in (select key from repeated)
)
select row from placed where place > 1

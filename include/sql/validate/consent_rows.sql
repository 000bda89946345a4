-- What does each staged consent row say, and can its moment, its end and its purpose be relied on?
with tidied as (
    select
        file_row_number as row,
        tidy(customer_id) as customer_id,
        lower(tidy(channel)) as channel,
        tidy(purpose) as purpose,
        lower(tidy(status)) as status,
        tidy(basis) as basis,
        tidy(recorded_at) as recorded_at,
        tidy(valid_until) as valid_until,
        tidy(source) as source,
        tidy(wording_version) as wording_version
    from read_parquet($staged, file_row_number = true)
)
select *,
    try_cast(recorded_at as timestamptz) at time zone 'UTC' as recorded_utc,
    day_of(valid_until) as last_day,
    -- An objection needs neither an end nor a purpose to count; a permission proves nothing without them.
    status is distinct from 'granted' or valid_until is null or day_of(valid_until) is not null as has_readable_end,
    status is distinct from 'granted' or purpose is not null as has_purpose
from tidied

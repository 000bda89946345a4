-- Which customer rows say the same as an earlier one (copy), and which share their identifier with one that differs?
with ids as (
    select tidy(customer_id) as id, count(*) as times
    from read_parquet($staged)
    group by id
    having times > 1
), rows as (
    select file_row_number as row, tidy(customer_id) as id, columns(* exclude (customer_id, file_row_number))
    from read_parquet($staged, file_row_number = true)
    where tidy(customer_id) is null or tidy(customer_id) in (select id from ids)
), compared as (
    select row, id,
        row_number() over (
            partition by id, tidy(civility), tidy(first_name), tidy(last_name), tidy(birth_date), tidy(language),
                tidy(email), tidy(phone), tidy(street), tidy(address_extra), tidy(postcode), tidy(city), tidy(country),
                tidy(created_on), tidy(deceased_on)
            order by row
        ) > 1 as is_copy
    from rows
)
select row, is_copy, id is not null and count(*) filter (not is_copy) over (partition by id) > 1 as is_conflict
from compared

-- What is wrong with whom? One row a problem, with the value that has yet to be masked.
with people as (
    select *, birth_rule is null and birth_day > cast($on as date) - to_years($minor_age) as is_minor
    from read_parquet($marked)
    where reason is null and customer_id not in (select customer_id from erased)
), found as (
    select customer_id, unnest([
        {field: 'first_name', rule: first_rule, value: first_name,
            effect: case when usable_last is null then 'no_letter' else 'noted' end},
        {field: 'last_name', rule: last_rule, value: last_name, effect: 'no_letter'},
        {field: 'name',
            rule: case when usable_last is null and first_rule is null and last_rule is null then 'no_usable_name' end,
            value: coalesce(last_name, first_name), effect: 'no_letter'},
        {field: 'email', rule: email_rule, value: email, effect: 'no_email'},
        {field: 'phone', rule: phone_rule, value: phone, effect: 'no_call'},
        {field: 'phone', rule: case when usable_phone is not null and time_zone is null then 'unknown_timezone' end,
            value: phone, effect: 'no_call'},
        {field: case address_rule
                when 'bad_postcode' then 'postcode' when 'no_town' then 'city' when 'wrong_town' then 'city'
                when 'unknown_country' then 'country'
                when 'no_street' then 'street' else 'address' end,
            rule: case when address_rule <> 'no_address' then address_rule end,
            value: case address_rule
                when 'bad_postcode' then postcode when 'no_town' then city when 'wrong_town' then city
                when 'unknown_country' then country else street end,
            effect: 'no_letter'},
        {field: 'birth_date', rule: birth_rule, value: birth_date, effect: 'noted'},
        {field: 'birth_date', rule: case when is_minor then 'minor' end, value: birth_date, effect: 'noted'},
        {field: 'deceased_on', rule: case when is_deceased then 'deceased' end, value: deceased_on, effect: 'noted'},
        {field: 'deceased_on', rule: case when is_deceased and deceased_day is null then 'bad_date' end,
            value: deceased_on, effect: 'noted'},
        {field: 'created_on', rule: case when created_on is not null and created_day is null then 'bad_date' end,
            value: created_on, effect: 'noted'},
        {field: 'language', rule: language_rule, value: language, effect: 'noted'},
        {field: 'consent', rule: closed_letter, value: null, effect: 'no_letter'},
        {field: 'consent', rule: closed_email, value: null, effect: 'no_email'},
        {field: 'consent', rule: closed_call, value: null, effect: 'no_call'}
    ]) as problem
    from people
    where first_rule is not null or last_rule is not null or usable_last is null or email_rule is not null
        or phone_rule is not null or address_rule is not null or birth_rule is not null or is_minor or is_deceased
        or language_rule is not null or (created_on is not null and created_day is null)
        or (usable_phone is not null and time_zone is null)
        or coalesce(closed_letter, closed_email, closed_call) is not null
), damaged as (
    select customer_id, unnest(string_split(nul_fields, ',')) as field from people where nul_fields is not null
)
select customer_id, problem.field as field, problem.rule as rule, problem.value as value, problem.effect as effect
from found
where problem.rule is not null
union all
select customer_id, field, 'nul_byte', null, 'noted' from damaged

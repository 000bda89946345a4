-- Who is published, and which rule keeps a person from being reached on each channel?
with barred as (
    select *,
        case
            when customer_id in (select customer_id from erased) then 'erased'
            when is_deceased then 'deceased'
            when birth_rule is null and birth_day > cast($on as date) - to_years($minor_age) then 'minor'
        end as barrier
    from read_parquet($marked)
    where reason is null
), reached as (
    select *,
        coalesce(
            barrier, closed_letter, case when usable_last is null then 'no_usable_name' end, address_rule
        ) as letter_barrier,
        coalesce(barrier, closed_email, email_rule, case when usable_email is null then 'no_email' end) as email_barrier,
        coalesce(
            barrier, closed_call, case when usable_last is null then 'no_usable_name' end, phone_rule,
            case when usable_phone is null then 'no_phone' end, case when time_zone is null then 'unknown_timezone' end
        ) as call_barrier,
        -- What the letter box says: capitals, no accents, no punctuation, single blanks.
        ' ' || replace(replace(replace(
            upper(strip_accents(translate(
                replace(replace(
                    concat_ws(' ', street, '|', address_extra, '|', usable_postcode, city, coalesce(country_code, '')),
                    'œ', 'oe'), 'Œ', 'OE'),
                ',.;''’-–/()"°', '            '
            ))),
            '    ', ' '), '  ', ' '), '  ', ' ') || ' ' as box
    from barred
)
select customer_id, civility_code as civility, usable_first as first_name, usable_last as last_name,
    case when birth_rule is null then birth_day end as birth_date,
    language_code as language, usable_email as email, usable_phone as phone, phone_region, time_zone as timezone,
    street, address_extra, usable_postcode as postcode, city, country_code as country,
    created_day as created_on, deceased_day as deceased_on,
    -- The usual abbreviations are the same street.
    case when letter_barrier is null then left(sha256(
        replace(replace(replace(replace(replace(replace(replace(replace(box,
            ' AV ', ' AVENUE '), ' AVE ', ' AVENUE '),
            ' BD ', ' BOULEVARD '), ' BLD ', ' BOULEVARD '),
            ' CHE ', ' CHEMIN '),
            ' APT ', ' APPARTEMENT '), ' BAT ', ' BATIMENT '),
            ' ST ', ' SAINT ')
    ), 16) end as household,
    letter_barrier, email_barrier, call_barrier
from reached

-- What does each staged customer row say, and which of its dates and addresses need no second look?
with tidied as (
    select
        file_row_number as row,
        tidy(customer_id) as customer_id,
        tidy(civility) as civility,
        tidy(first_name) as first_name,
        tidy(last_name) as last_name,
        tidy(birth_date) as birth_date,
        tidy(language) as language,
        tidy(email) as email,
        tidy(phone) as phone,
        tidy(on_one_line(street)) as street,
        tidy(on_one_line(address_extra)) as address_extra,
        tidy(postcode) as postcode,
        tidy(on_one_line(city)) as city,
        tidy(country) as country,
        tidy(created_on) as created_on,
        tidy(deceased_on) as deceased_on,
        nullif(concat_ws(',',
            case when contains(customer_id, chr(0)) then 'customer_id' end,
            case when contains(first_name, chr(0)) then 'first_name' end,
            case when contains(last_name, chr(0)) then 'last_name' end,
            case when contains(email, chr(0)) then 'email' end,
            case when contains(phone, chr(0)) then 'phone' end,
            case when contains(street, chr(0)) then 'street' end,
            case when contains(address_extra, chr(0)) then 'address_extra' end,
            case when contains(postcode, chr(0)) then 'postcode' end,
            case when contains(city, chr(0)) then 'city' end,
            case when contains(
                concat_ws('', civility, birth_date, language, country, created_on, deceased_on), chr(0)
            ) then 'other' end
        ), '') as nul_fields
    from read_parquet($staged, file_row_number = true)
), dated as (
    select *, day_of(birth_date) as birth_day, day_of(created_on) as created_day, day_of(deceased_on) as deceased_day
    from tidied
), looked_at as (
    select *,
        case
            when birth_date is null then null
            when birth_day is null then 'bad_birth_date'
            when birth_day > cast($on as date) then 'birth_in_future'
            when birth_day < date '1900-01-01' or birth_day < cast($on as date) - interval 122 year then 'birth_too_long_ago'
        end as birth_rule,
        -- The day of a death may be unreadable; the death is none the less known.
        coalesce(
            lower(deceased_on) not in ('-', '0', 'false', 'n', 'n/a', 'na', 'no', 'non', 'none', 'null', '0000-00-00'), false
        ) as is_deceased,
        -- Addresses so plain that they can be printed without doubt: kept in step with habitue.addresses by a test.
        coalesce(
            regexp_full_match(street,
                '(\d{1,4}( ?(bis|ter))?,? ?)?(rue|avenue|boulevard|chemin|impasse|allée|place|route|quai|square|passage) '
                || '[a-zA-ZÀ-ÅÇ-ÏÑ-ÖÙ-Ýà-åç-ïñ-öù-ýÿ ''’.-]*[a-zA-Z][a-zA-ZÀ-ÅÇ-ÏÑ-ÖÙ-Ýà-åç-ïñ-öù-ýÿ ''’.-]*', 'i')
            and length(street) <= 36
            and (
                address_extra is null
                or (
                    length(address_extra) <= 36
                    and regexp_full_match(address_extra, '[a-zA-Z0-9À-ÅÇ-ÏÑ-ÖÙ-Ýà-åç-ïñ-öù-ýÿ ''’.-]+')
                )
            )
            and regexp_full_match(postcode, '(0[1-9]|[1-8]\d|9[0-5])\d{3}')
            and regexp_full_match(city, '[a-zA-ZÀ-ÅÇ-ÏÑ-ÖÙ-Ýà-åç-ïñ-öù-ýÿ ''’-]*[a-zA-Z]{2}[a-zA-ZÀ-ÅÇ-ÏÑ-ÖÙ-Ýà-åç-ïñ-öù-ýÿ ''’-]*')
            and length(city) <= 30
            and not regexp_full_match(city, '[^a-z]*(inconnue?|n[ée]ant|test|null|nc|x+)[^a-z]*', 'i')
            and length(coalesce(first_name, '')) + length(coalesce(last_name, '')) <= 26
            and regexp_full_match(
                concat(first_name, ' ', last_name), '[a-zA-ZÀ-ÅÇ-ÏÑ-ÖÙ-Ýà-åç-ïñ-öù-ýÿ ''’.-]*'
            ),
            false
        ) as has_plain_address
    from dated
), dialled as (
    select *,
        case
            when regexp_full_match(email, $plain_email) and length(email) <= 120 and position('@' in email) <= 65
                and not regexp_matches(email, '(?i)\.(arpa|local|invalid|onion)$')
                then split_part(email, '@', 1) || '@' || lower(split_part(email, '@', 2))
        end as plain_email,
        '+33' || nullif(regexp_extract(replace(replace(phone, ' ', ''), '.', ''), '^(?:\+33|0)(' || $french_number || ')$', 1), '')
            as plain_phone
    from looked_at
)
-- The easy ones, nearly all of them, need no further look; a test holds them against the careful way of habitue.reachability.
select *,
    coalesce(
        $at_home and (country is null or country = 'FR') and has_plain_address
        and (email is null or plain_email is not null)
        and (phone is null or plain_phone is not null)
        and regexp_full_match(first_name, $plain_name) and regexp_full_match(last_name, $plain_name)
        and not list_contains($no_names, lower(first_name)) and not list_contains($no_names, lower(last_name))
        and replace(lower(first_name), lower(left(first_name, 1)), '') <> ''
        and replace(lower(last_name), lower(left(last_name, 1)), '') <> '',
        false
    ) as is_easy
from dialled

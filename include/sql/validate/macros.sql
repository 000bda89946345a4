-- How is a shop's text tidied before anything is asked of it? Without NUL bytes, composed (NFC), no blanks around it.
create or replace macro tidy(value) as nullif(
    case
        -- Plain text, nearly all of it, is told by one look.
        when regexp_matches(value, '^[ \t\r\n]|[ \t\r\n]$|[^\x01-\x7f]') then trim(
            nfc_normalize(replace(value, chr(0), '')),
            ' ' || chr(9) || chr(10) || chr(13) || chr(160) || chr(8203) || chr(65279)
        )
        else value
    end,
    ''
);

-- A day, from ISO text or ISO text with a time; null for what is neither.
create or replace macro day_of(value) as coalesce(try_cast(value as date), cast(try_cast(value as timestamp) as date));

-- A line break inside an address field parts two pieces, as a comma does.
create or replace macro on_one_line(value) as
    case
        when regexp_matches(value, '[\x01-\x1f\x7f\x{2028}\x{2029}]')
            then regexp_replace(value, '[\s,]*[\x01-\x1f\x7f\x{2028}\x{2029}]+[\s,]*', ', ', 'g')
        else value
    end;

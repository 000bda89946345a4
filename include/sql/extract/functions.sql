-- How are numbers, days and moments written in a shop's files? The functions that a source's SQL may use; what can't be read is NULL.
CREATE MACRO as_number(written) AS TRY_CAST(
  CASE WHEN getvariable('decimal_mark') = ','
       THEN replace(replace(regexp_replace(written, '[\s\x{00A0}\x{202F}]', '', 'g'), '.', ''), ',', '.')
       ELSE replace(regexp_replace(written, '[\s\x{00A0}\x{202F}]', '', 'g'), ',', '')
  END AS DECIMAL(18, 4));

CREATE MACRO as_moment(written) AS
  coalesce(TRY_CAST(written AS TIMESTAMP), TRY_STRPTIME(written, getvariable('date_formats')));

CREATE MACRO as_day(written) AS CAST(as_moment(written) AS DATE);

-- A day as ISO text; what is no day stays as it was written, for the validation to name.
CREATE MACRO iso_day(written) AS coalesce(strftime(as_day(written), '%Y-%m-%d'), written);

-- A moment of shop time as ISO text with its offset from UTC; one that has an offset already stays as it is.
CREATE MACRO iso_moment(written) AS
  CASE WHEN regexp_matches(written, '(Z|[+-]\d\d:?\d\d)$') AND TRY_CAST(written AS TIMESTAMPTZ) IS NOT NULL THEN written
       ELSE coalesce(strftime(CAST(as_moment(written) AS TIMESTAMPTZ), '%Y-%m-%dT%H:%M:%S%z'), written) END;

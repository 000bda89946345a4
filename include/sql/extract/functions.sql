-- How are numbers, days and moments written in a shop's files? Functions for a source's SQL; what can't be read is NULL.

-- 1 234,50 · 1.234,50 · 1234.5 where the comma is the decimal mark: a point is one of thousands only where it can be.
CREATE MACRO comma_number(spaceless) AS replace(
  CASE WHEN regexp_full_match(spaceless, '[-+]?\d{1,3}(\.\d{3})+(,\d*)?') THEN replace(spaceless, '.', '')
       ELSE spaceless END, ',', '.');

CREATE MACRO point_number(spaceless) AS
  CASE WHEN regexp_full_match(spaceless, '[-+]?\d{1,3}(,\d{3})+(\.\d*)?') THEN replace(spaceless, ',', '')
       ELSE spaceless END;

CREATE MACRO as_number(written) AS TRY_CAST(
  CASE WHEN getvariable('decimal_mark') = ','
       THEN comma_number(regexp_replace(CAST(written AS VARCHAR), '[\s\x{00A0}\x{202F}]', '', 'g'))
       ELSE point_number(regexp_replace(CAST(written AS VARCHAR), '[\s\x{00A0}\x{202F}]', '', 'g'))
  END AS DECIMAL(18, 4));

-- Shop time. ISO (an offset is taken into account), or a format that the source declares (found out where there is none).
CREATE MACRO as_moment(written) AS coalesce(
  CAST(TRY_CAST(written AS TIMESTAMPTZ) AS TIMESTAMP),
  TRY_STRPTIME(CAST(written AS VARCHAR), getvariable('date_formats'))
);

CREATE MACRO as_day(written) AS CAST(as_moment(written) AS DATE);

-- A day as ISO text; what is no day stays as it was written, for the validation to name.
CREATE MACRO iso_day(written) AS coalesce(strftime(as_day(written), '%Y-%m-%d'), CAST(written AS VARCHAR));

-- A moment of shop time as ISO text with its offset from UTC; one that has its offset already stays as it is.
CREATE MACRO with_offset(moment) AS
  regexp_replace(strftime(CAST(moment AS TIMESTAMPTZ), '%Y-%m-%dT%H:%M:%S%z'), '([+-]\d\d)$', '\1:00');

CREATE MACRO iso_moment(written) AS
  CASE WHEN regexp_matches(CAST(written AS VARCHAR), '\d(Z|[+-]\d\d(:?\d\d)?)$')
            AND CAST(written AS VARCHAR) LIKE '%:%'
            AND TRY_CAST(written AS TIMESTAMPTZ) IS NOT NULL THEN CAST(written AS VARCHAR)
       ELSE coalesce(with_offset(as_moment(written)), CAST(written AS VARCHAR)) END;

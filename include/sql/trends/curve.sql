-- What share of the window's spend do the best so many per cent of active customers bring?
SELECT 'day' AS span, ends AS starts, ends, LPAD(CAST(step AS VARCHAR), 3, '0') AS part, '' AS other, value, of
FROM steps

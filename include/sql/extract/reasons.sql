-- Why is each delivered line left out? NULL: it is kept.
CREATE VIEW reasons AS
SELECT
  lines.*,
  lines.rowid AS line,
  CASE WHEN outside IS NOT NULL THEN outside
       WHEN repeated.line IS NOT NULL THEN 'duplicate'
       ELSE left_out END AS reason
FROM lines
LEFT JOIN repeated ON repeated.line = lines.rowid

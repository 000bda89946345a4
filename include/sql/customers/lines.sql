-- The lines of one customer's purchases, numbered: what the page has read from the lake already.
select row_number() over () as line, * from held

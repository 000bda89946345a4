-- Which applied posts of providers tell of one of these addresses? What they told was kept; the post itself is emptied.
update webhook_post p
set body = ''
where p.applied_at is not null and p.body <> '' and exists (
    select from unnest(cast(:emails as text[])) as e (email)
    where strpos(lower(encode(p.body, 'escape')), e.email) > 0
)

-- Which posts of providers tell of this address?
select post_id, received_at, body
from webhook_post
where strpos(lower(encode(body, 'escape')), :email) > 0
order by post_id

-- Which posts wait to be applied? The oldest that no other worker holds, so many bytes of them, but one at least.
with held as materialized (
    select post_id, octet_length(body) as bytes
    from webhook_post
    where applied_at is null and post_id > :after
    order by post_id
    limit :most
    for update skip locked
), so_far as (
    select post_id, sum(bytes) over (order by post_id) - bytes as before from held
)
select w.post_id, w.body
from so_far s
join webhook_post w using (post_id)
where s.before < :bytes
order by w.post_id

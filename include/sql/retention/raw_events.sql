-- Which posts of providers have been applied for long enough? They go, addresses and all.
delete from webhook_post where applied_at < :before

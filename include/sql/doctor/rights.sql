-- Which of our tables are missing, and in which may we not both read and write?
select name, to_regclass(quote_ident(name)) is null as missing
from unnest(cast(:tables as text[])) as name
where to_regclass(quote_ident(name)) is null
    or not (
        has_table_privilege(to_regclass(quote_ident(name)), 'select')
        and has_table_privilege(to_regclass(quote_ident(name)), 'insert')
        and has_table_privilege(to_regclass(quote_ident(name)), 'update')
        and has_table_privilege(to_regclass(quote_ident(name)), 'delete')
    )
order by name

-- To whom does the law close the telephone, though nothing else does?
update considered c
set call = u.rule
from unlawful u
where u.customer_id = c.customer_id

"""Finding customers by name, e-mail address, number or id, and by what keeps them out of reach; reading the audit trail

Revision: 0010, after 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# The functions have bodies in SQL (`return`), bound when they are made: an index may be built with no search path.
# Long values are cut: an entry of an index holds some 2,700 bytes.

# Small letters without accents: NFKD, then no combining marks; plain ASCII is as it must be already.
FOLDED = r"""
create function folded(value text) returns text language sql immutable parallel safe return
    case
        when octet_length(value) = length(value) then lower(value collate "pg_c_utf8")
        else replace(replace(replace(translate(lower(
            regexp_replace(normalize(value, NFKD), '[\u0300-\u036f]+', '', 'g') collate "pg_c_utf8"
        ), 'łøđı', 'lodi'), 'œ', 'oe'), 'æ', 'ae'), 'ß', 'ss')
    end
"""

# The words by which a customer is found: those of the names, each name in one, and those of the town behind an @.
SEARCH_WORDS = r"""
create function search_words(first_name text, last_name text, town text) returns text[]
language sql immutable parallel safe return
    array_remove(array_remove(string_to_array(
        regexp_replace(
            folded(left(coalesce(first_name, ''), 80) || ' ' || left(coalesce(last_name, ''), 80)),
            '[^[:alnum:]]+', ' ', 'g'
        )
        || ' ' || replace(replace(replace(replace(
            folded(left(coalesce(first_name, ''), 80)), ' ', ''), '-', ''), '''', ''), '’', '')
        || ' ' || replace(replace(replace(replace(
            folded(left(coalesce(last_name, ''), 80)), ' ', ''), '-', ''), '''', ''), '’', '')
        || ' @' || regexp_replace(folded(left(coalesce(town, ''), 80)), '[^[:alnum:]]+', ' @', 'g'),
    ' '), ''), '@')
"""

# Every four digits on end of a number in E.164, behind `+` and two digits of the country.
NUMBER_PARTS = """
create function number_parts(phone text) returns text[] language sql immutable parallel safe return
    case when length(phone) between 7 and 16 then (array[
        substr(phone, 4, 4), substr(phone, 5, 4), substr(phone, 6, 4), substr(phone, 7, 4), substr(phone, 8, 4),
        substr(phone, 9, 4), substr(phone, 10, 4), substr(phone, 11, 4), substr(phone, 12, 4), substr(phone, 13, 4)
    ])[1\\:length(phone) - 6] end
"""

INDEXES = {
    "ix_customer_search_words": "using gin (search_words(first_name, last_name, city))",
    "ix_customer_number_parts": "using gin (number_parts(phone))",
    "ix_customer_last_name": '(left(folded(left(last_name, 80)), 80) collate "C")',
    "ix_customer_email": '(left(address_value(email), 254) collate "C")',
    "ix_customer_phone": '(left(phone, 20) collate "C")',
    "ix_customer_person_mark": "(person_mark) where person_mark is not null",
    "ix_customer_letter_barrier": "(letter_barrier, customer_id) where letter_barrier is not null",
    "ix_customer_email_barrier": "(email_barrier, customer_id) where email_barrier is not null",
    "ix_customer_call_barrier": "(call_barrier, customer_id) where call_barrier is not null",
    "ix_customer_id": '(left(lower(customer_id collate "pg_c_utf8"), 80) collate "C")',
}


def upgrade() -> None:
    for function in (FOLDED, SEARCH_WORDS, NUMBER_PARTS):
        op.execute(function)
    for name, over in INDEXES.items():
        op.execute(f"create index {name} on customer {over}")
    op.execute("create index ix_audit_at on audit (at desc nulls last, audit_id)")


def downgrade() -> None:
    op.execute("drop index ix_audit_at")
    for name in reversed(INDEXES):
        op.execute(f"drop index {name}")
    op.execute("drop function number_parts(text)")
    op.execute("drop function search_words(text, text, text)")
    op.execute("drop function folded(text)")

"""What people say to us themselves: consent heard directly, preferences

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import context, op

# What each customer has said last of a channel, as far as it counts. Of what somebody said, the latest counts, and in
# the same instant an objection; but as long as the last thing that they told us themselves is an objection, no grant
# counts that came by an import, whatever its date (Art. 7(3), 21(3) GDPR: withdrawing is for the person alone to undo).
# The rule stands once and is asked twice: of everybody, for plans, and of one customer, for claims. There, what was
# objected to `ahead` of the moment counts too: a grant of tomorrow allows nothing today, an objection does. Both are
# inlined, so that they see what stands in for `consent` in a replay.
LAST_WORD = """
create function {name} returns table (
    customer_id text, status text, basis text, source text, recorded_at timestamptz, recorded_on date, valid_until date
) language sql stable parallel safe as $$
    select distinct on (k.customer_id)
        k.customer_id, k.status, k.basis, k.source, k.recorded_at, (k.recorded_at at time zone zone)::date, k.valid_until
    from consent k
    left join (
        select distinct on (o.customer_id) o.customer_id, o.status
        from consent o
        where o.direct and o.channel = way and o.purpose = 'marketing' and {known_own}
        order by o.customer_id, o.recorded_at desc, o.status desc
    ) own on own.customer_id = k.customer_id
    where k.channel = way and k.purpose = 'marketing' and {known}
        and not (k.status = 'granted' and not k.direct and coalesce(own.status, 'granted') <> 'granted')
    order by k.customer_id, k.recorded_at desc, k.status desc
$$
"""
OF_ALL = "{0}.recorded_at < before"
OF_ONE = "{0}.customer_id = customer and ({0}.recorded_at < before or (ahead and {0}.status <> 'granted'))"
LAST_WORDS = LAST_WORD.format(
    name="last_words(way text, before timestamptz, zone text)", known_own=OF_ALL.format("o"), known=OF_ALL.format("k")
)
LAST_WORD_OF = LAST_WORD.format(
    name="last_word(customer text, way text, before timestamptz, ahead boolean, zone text)",
    known_own=OF_ONE.format("o"),
    known=OF_ONE.format("k"),
)

# As in 0002, and: whoever has asked for fewer messages gets no more than the shop promises them (`used_fewer` is null
# for everybody else).
CLOSED = """
create function closed(
    channel text, barrier text, suppressed text, status text, recorded_on date, valid_until date, day date,
    call_days int, used int, most int, within int, used_any int, most_any int, within_any int,
    used_fewer int, most_fewer int, within_fewer int, recent text
) returns text language sql stable parallel safe as $$
    select case
        when consent_rule(channel, status, recorded_on, valid_until, day, call_days) is not null
            then concat_ws(' ', consent_rule(channel, status, recorded_on, valid_until, day, call_days),
                case
                    when status <> 'granted' then recorded_on
                    else least(valid_until, case when channel = 'call' then recorded_on + call_days end)
                end)
        when suppressed is not null then 'suppressed ' || suppressed
        when barrier is not null then 'unreachable ' || barrier
        when used >= most then 'frequency_cap ' || used || ' by ' || channel || ' in ' || within || ' days'
        when used_any >= most_any then 'frequency_cap ' || used_any || ' in ' || within_any || ' days'
        when used_fewer >= most_fewer then 'fewer_wanted ' || used_fewer || ' in ' || within_fewer || ' days'
        when recent is not null then 'recently_contacted ' || recent
    end
$$
"""
OLD_CLOSED = "drop function closed(text, text, text, text, date, date, date, int, int, int, int, int, int, int, text)"
NEW_CLOSED = OLD_CLOSED.replace("int, text)", "int, int, int, int, text)")

EVENT = ["customer_id", "channel", "purpose", "recorded_at", "status"]
ONCE = "uq_consent_customer_id_channel_purpose_recorded_at_status"

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "consent",
        sa.Column(
            "direct",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="told to us by the customer, not read in an import",
        ),
    )
    op.drop_constraint(ONCE, "consent", type_="unique")
    op.create_unique_constraint("uq_consent_event", "consent", [*EVENT, "direct"])
    op.create_index("ix_consent_direct", "consent", ["customer_id", "channel"], postgresql_where=sa.text("direct"))
    op.create_table(
        "preference",
        sa.Column("preference_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True, comment="null: as the shop's data say"),
        sa.Column("fewer", sa.Boolean(), nullable=False, comment="wishes for fewer messages"),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("preference_id", name=op.f("pk_preference")),
        comment="how each customer wishes to be written to; append-only, the last row counts",
    )
    op.create_index("ix_preference_customer_id", "preference", ["customer_id", "preference_id"])
    for statement in (LAST_WORDS, LAST_WORD_OF, OLD_CLOSED, CLOSED):
        op.execute(statement)


def downgrade() -> None:
    op.execute(NEW_CLOSED)
    op.execute(context.script.get_revision("0002").module.CLOSED)
    op.execute("drop function last_word(text, text, timestamptz, boolean, text)")
    op.execute("drop function last_words(text, timestamptz, text)")
    op.drop_index("ix_preference_customer_id", table_name="preference")
    op.drop_table("preference")
    same = " and ".join(f"d.{name} = i.{name}" for name in EVENT)  # told by an import too, of the same instant
    op.execute(f"delete from consent d using consent i where d.direct and not i.direct and {same}")  # noqa: S608 - ours
    op.drop_index("ix_consent_direct", table_name="consent")
    op.drop_constraint("uq_consent_event", "consent", type_="unique")
    op.create_unique_constraint(ONCE, "consent", EVENT)
    op.drop_column("consent", "direct")

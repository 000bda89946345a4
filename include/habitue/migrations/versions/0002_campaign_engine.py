"""The campaign engine: run states, approvals, holds, suppressions, tallies, outcomes

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

# A salted draw in [0, 1): the same for the same salt, whatever the order of rows and on every PostgreSQL.
DRAW = """
create function draw(salt text) returns double precision language sql immutable parallel safe as $$
    select ('x' || substr(md5(salt), 1, 8))::bit(32)::bigint / 4294967296.0::double precision
$$
"""

# HMAC-SHA-256 (RFC 2104) of a value, null for null. The two pads are made from the key outside the database, which
# never holds it: a stolen dump can't be turned back into numbers by trying them all.
MARK = """
create function mark(value text, inner_pad bytea, outer_pad bytea) returns bytea
language sql immutable parallel safe as $$
    select sha256(outer_pad || sha256(inner_pad || convert_to(value, 'UTF8')))
$$
"""

# What two spellings of a name or a street have in common: letters and digits without accents, in capitals.
BARE = """
create function bare(value text) returns text language sql immutable parallel safe as $$
    select upper(regexp_replace(normalize(coalesce(value, ''), NFKD), '[^A-Za-z0-9]', '', 'g') collate "C")
$$
"""

# The canonical values that marks are made of: as in suppressions.py, to the letter, whatever the database's locale.
VALUES = (
    """
create function email_value(email text) returns text language sql immutable parallel safe as $$
    select 'email:' || lower(normalize(trim(email), NFC) collate "pg_c_utf8")
$$
""",
    """
create function box_value(first_name text, last_name text, street text, postcode text) returns text
language sql immutable parallel safe as $$
    select case when street is not null then
        'letter:' || bare(coalesce(first_name, '') || coalesce(last_name, '')) || '|' || bare(street) || '|'
        || bare(postcode)
    end
$$
""",
    """
create function person_value(first_name text, last_name text, email text) returns text
language sql immutable parallel safe as $$
    select 'person:' || bare(coalesce(first_name, '') || coalesce(last_name, '')) || '|'
        || lower(normalize(trim(email), NFC) collate "pg_c_utf8")
$$
""",
)

# Why a channel is closed to a customer: the first rule that applies, with the value that it saw; null = open.
# `stable` for the dates that it writes: an immutable one would not be inlined, at five times the price.
CLOSED = """
create function closed(
    channel text, barrier text, suppressed text, status text, recorded_on date, valid_until date, day date,
    call_days int, used int, most int, within int, used_any int, most_any int, within_any int, recent text
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
        when recent is not null then 'recently_contacted ' || recent
    end
$$
"""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TALLIES = ("accepted", "refused", "unknown", "cancelled", "delivered", "hard_bounces", "complaints")


def upgrade() -> None:
    for function in (DRAW, MARK, BARE, *VALUES, CLOSED):
        op.execute(function)
    op.create_table(
        "approval",
        sa.Column("approval_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False, comment="1, or 2 where a second person must agree"),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("said_by", sa.Text(), nullable=True, comment="null: nobody answered in time"),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("audience_sha256", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.CheckConstraint("decision in ('approved', 'rejected', 'timed_out')", name=op.f("ck_approval_decision")),
        sa.PrimaryKeyConstraint("approval_id", name=op.f("pk_approval")),
        comment="who approved which audience and which content, and when; append-only",
    )
    op.create_index("ix_approval_run_id", "approval", ["run_id"], unique=False)
    op.create_table(
        "hold",
        sa.Column("hold_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.CheckConstraint("reason in ('erased', 'complaint', 'payment_incident')", name=op.f("ck_hold_reason")),
        sa.PrimaryKeyConstraint("hold_id", name=op.f("pk_hold")),
        comment="customers whom no campaign may write to or call for now",
    )
    op.create_index(
        "ix_hold_open",
        "hold",
        ["customer_id", "reason"],
        unique=True,
        postgresql_where=sa.text("closed_at is null"),
    )
    op.create_table(
        "outcome",
        sa.Column("outcome_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="who told it: sendgrid, bounce, printer, desk, person"),
        sa.Column(
            "source_key",
            sa.Text(),
            nullable=False,
            comment="the source's own name for this event: told twice, kept once",
        ),
        sa.CheckConstraint(
            "kind in ('accepted', 'deferred', 'delivered', 'hard_bounce', 'blocked', 'dropped', 'complaint', "
            "'unsubscribed', 'returned', 'reached', 'not_reached')",
            name=op.f("ck_outcome_kind"),
        ),
        sa.PrimaryKeyConstraint("outcome_id", name=op.f("pk_outcome")),
        sa.UniqueConstraint("source", "source_key", name=op.f("uq_outcome_source_source_key")),
        comment="what came of messages after they left; append-only",
    )
    op.create_index("ix_outcome_message_id", "outcome", ["message_id"], unique=False)
    op.create_table(
        "shard",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Integer(), server_default="0", nullable=False) for name in TALLIES),
        sa.Column(
            "audience_sha256", sa.Text(), nullable=False, comment="over its messages: who, by which way and text"
        ),
        sa.Column("content_sha256", sa.Text(), nullable=True, comment="over what was rendered, message by message"),
        sa.CheckConstraint("channel in ('letter', 'email', 'call')", name=op.f("ck_shard_channel")),
        sa.PrimaryKeyConstraint("run_id", "channel", "shard", name=op.f("pk_shard")),
        comment="a run's parts and their tallies, kept by the statements that move messages: the breaker reads them",
    )
    op.create_table(
        "shop_holdout",
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("draw", sa.Float(), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("year", "customer_id", name=op.f("pk_shop_holdout")),
        comment="the global holdout: whom nobody writes to in that calendar year, drawn once and kept",
    )
    op.create_table(
        "stop",
        sa.Column("stop_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("said_by", sa.Text(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("stop_id", name=op.f("pk_stop")),
        comment="the kill switch: while one is open, nothing leaves",
    )
    op.create_table(
        "suppression",
        sa.Column("suppression_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column(
            "mark",
            sa.LargeBinary(),
            nullable=False,
            comment="HMAC-SHA-256 of the address or number; the key is not here",
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mark_key", sa.Text(), nullable=False, comment="which key the mark was made with"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.CheckConstraint("channel in ('letter', 'email', 'call')", name=op.f("ck_suppression_channel")),
        sa.CheckConstraint(
            "reason in ('unsubscribed', 'hard_bounce', 'spam_complaint', 'returned_letter', 'refused_calls')",
            name=op.f("ck_suppression_reason"),
        ),
        sa.PrimaryKeyConstraint("suppression_id", name=op.f("pk_suppression")),
        comment="addresses and numbers that must not be used again",
    )
    op.create_index(
        "ix_suppression_open",
        "suppression",
        ["channel", "mark", "reason"],
        unique=True,
        postgresql_where=sa.text("lifted_at is null"),
    )
    op.add_column(
        "consent",
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=True, comment="when the base learned of it"),
    )
    op.execute("update consent set known_at = recorded_at")
    op.alter_column("consent", "known_at", nullable=False)
    for name, comment in (
        ("email_mark", "keyed hash, as in suppression"),
        ("phone_mark", None),
        ("letter_mark", None),
        ("person_mark", "keyed hash of name and e-mail: the same person under two numbers"),
    ):
        op.add_column("customer", sa.Column(name, sa.LargeBinary(), nullable=True, comment=comment))
    op.add_column(
        "customer", sa.Column("mark_key", sa.Text(), nullable=True, comment="which key the marks were made with")
    )
    op.add_column("holdout", sa.Column("scope", sa.Text(), server_default="campaign", nullable=False))
    op.create_check_constraint(op.f("ck_holdout_scope"), "holdout", "scope in ('campaign', 'shop')")
    op.add_column("message", sa.Column("arm", sa.Text(), nullable=True, comment="of an A/B test"))
    op.add_column("message", sa.Column("cost_micros", sa.BigInteger(), server_default="0", nullable=False))
    # No index knows the state and every page has room for as many rows again: claiming and settling touch no index.
    op.execute("alter table message set (fillfactor = 50)")
    op.drop_index("ix_message_to_leave", table_name="message")
    op.create_index("ix_message_place", "message", ["run_id", "channel", "shard", "position"], unique=False)
    op.drop_constraint(op.f("uq_message_run_id_customer_id_channel"), "message", type_="unique")
    op.create_unique_constraint(
        op.f("uq_message_customer_id_run_id_channel"), "message", ["customer_id", "run_id", "channel"]
    )
    op.drop_index("ix_message_customer_id", table_name="message")
    _widen_run()
    op.execute(
        "insert into shard (run_id, channel, shard, messages, accepted, refused, unknown, cancelled, audience_sha256) "
        "select run_id, channel, shard, count(*), count(*) filter (where state = 'accepted'), "
        "count(*) filter (where state = 'refused'), count(*) filter (where state = 'unknown'), "
        "count(*) filter (where state = 'cancelled'), '' from message group by run_id, channel, shard"
    )


def _widen_run() -> None:
    """Runs that were planned before have left or are late: a person says whether the rest may go."""
    op.add_column(
        "run",
        sa.Column(
            "number",
            sa.BigInteger(),
            sa.Identity(always=False),
            nullable=False,
            comment="in which order runs were planned",
        ),
    )
    op.create_unique_constraint(op.f("uq_run_number"), "run", ["number"])
    for name, kind, before, comment in (
        ("shop", postgresql.JSONB(), "'{}'", "the shop's settings as they were planned with"),
        ("files", postgresql.JSONB(), "'{}'", "SHA-256 of every text and layout that the run may use"),
        ("audience_sha256", sa.Text(), "''", "over every message: approval is for exactly these"),
        ("content_sha256", sa.Text(), "''", "over campaign, texts and what the shop says of itself"),
        ("cost_micros", sa.BigInteger(), "0", "millionths of the currency unit"),
        ("deliver_until", sa.DateTime(timezone=True), "planned_at", "later, a person must say so"),
    ):
        op.add_column("run", sa.Column(name, kind, nullable=True, comment=comment))
        op.execute(f"update run set {name} = {before}")  # noqa: S608 - fixed words
        op.alter_column("run", name, nullable=False)
    op.add_column("run", sa.Column("approvals_needed", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("run", sa.Column("state", sa.Text(), server_default="open", nullable=False))
    op.create_check_constraint(op.f("ck_run_state"), "run", "state in ('open', 'paused', 'cancelled')")
    op.add_column("run", sa.Column("state_reason", sa.Text(), nullable=True))
    op.add_column("run", sa.Column("state_by", sa.Text(), nullable=True))
    op.add_column("run", sa.Column("state_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "run",
        sa.Column(
            "judged_from",
            postgresql.JSONB(),
            nullable=True,
            comment="the tallies when it was last resumed: the breaker judges what came since",
        ),
    )


def downgrade() -> None:
    for name in (
        "judged_from",
        "state_at",
        "state_by",
        "state_reason",
        "state",
        "approvals_needed",
        "deliver_until",
        "cost_micros",
    ):
        op.drop_column("run", name)
    for name in ("content_sha256", "audience_sha256", "files", "shop", "number"):
        op.drop_column("run", name)
    for name in ("cost_micros", "arm"):
        op.drop_column("message", name)
    op.create_index("ix_message_customer_id", "message", ["customer_id"], unique=False)
    op.drop_constraint(op.f("uq_message_customer_id_run_id_channel"), "message", type_="unique")
    op.create_unique_constraint(
        op.f("uq_message_run_id_customer_id_channel"), "message", ["run_id", "customer_id", "channel"]
    )
    op.drop_index("ix_message_place", table_name="message")
    op.create_index(
        "ix_message_to_leave",
        "message",
        ["run_id", "channel", "shard", "position"],
        unique=False,
        postgresql_where=sa.text("state in ('planned', 'claimed')"),
    )
    op.execute("alter table message reset (fillfactor)")
    op.drop_column("holdout", "scope")
    for name in ("mark_key", "person_mark", "letter_mark", "phone_mark", "email_mark"):
        op.drop_column("customer", name)
    op.drop_column("consent", "known_at")
    for name in ("suppression", "stop", "shop_holdout", "shard", "outcome", "hold", "approval"):
        op.drop_table(name)
    for function in (
        "closed(text, text, text, text, date, date, date, int, int, int, int, int, int, int, text)",
        "person_value(text, text, text)",
        "box_value(text, text, text, text)",
        "email_value(text)",
        "bare(text)",
        "mark(text, bytea, bytea)",
        "draw(text)",
    ):
        op.execute(f"drop function {function}")

"""The customer base and the ledger

Revision: 0001, the first
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

# One rule, asked when a run is planned and again when a message is claimed: null = may be written to or called.
# Letters: legitimate interest, so only an objection counts; e-mail: a grant or soft opt-in that still holds (L. 34-5
# CPCE); calls: prior consent, at most so many days old (L. 223-1, R. 223-1 C. conso, in force 11 August 2026).
CONSENT_RULE = """
create function consent_rule(channel text, status text, recorded_on date, valid_until date, day date, call_days int)
returns text language sql immutable parallel safe as $$
    select case
        when channel = 'letter' then case when status in ('refused', 'withdrawn') then 'objected' end
        when status is null then 'no_consent'
        when status <> 'granted' then 'objected'
        when valid_until < day then 'consent_expired'
        when channel = 'call' and recorded_on + call_days < day then 'consent_expired'
    end
$$
"""

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(CONSENT_RULE)
    op.create_table(
        "consent",
        sa.Column("consent_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("wording_version", sa.Text(), nullable=True),
        sa.CheckConstraint("channel in ('letter', 'email', 'call')", name=op.f("ck_consent_channel")),
        sa.CheckConstraint("status in ('granted', 'refused', 'withdrawn')", name=op.f("ck_consent_status")),
        sa.PrimaryKeyConstraint("consent_id", name=op.f("pk_consent")),
        sa.UniqueConstraint(
            "customer_id",
            "channel",
            "purpose",
            "recorded_at",
            "status",
            name=op.f("uq_consent_customer_id_channel_purpose_recorded_at_status"),
        ),
        comment="what each allowed or refused; append-only, the latest event counts, objections win",
    )
    op.create_table(
        "customer",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("civility", sa.Text(), nullable=True),
        sa.Column("first_name", sa.Text(), nullable=True),
        sa.Column("last_name", sa.Text(), nullable=True),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True, comment="E.164"),
        sa.Column("phone_region", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("street", sa.Text(), nullable=True),
        sa.Column("address_extra", sa.Text(), nullable=True),
        sa.Column("postcode", sa.Text(), nullable=True),
        sa.Column("city", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("created_on", sa.Date(), nullable=True),
        sa.Column("deceased_on", sa.Date(), nullable=True),
        sa.Column("household", sa.Text(), nullable=True, comment="the same for people who share a letter box"),
        sa.Column(
            "letter_barrier", sa.Text(), nullable=True, comment="the rule that keeps letters away, null = reachable"
        ),
        sa.Column("email_barrier", sa.Text(), nullable=True),
        sa.Column("call_barrier", sa.Text(), nullable=True),
        sa.Column("snapshot_id", sa.Text(), nullable=False, comment="the last snapshot that changed this row"),
        sa.Column(
            "gone",
            sa.Text(),
            nullable=True,
            comment="the snapshot from which on this customer is no longer in the shop's data",
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customer")),
    )
    op.create_table(
        "run",
        sa.Column("run_id", sa.Text(), nullable=False, comment="campaign:date"),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("snapshot_id", sa.Text(), nullable=False),
        sa.Column("campaign_sha256", sa.Text(), nullable=False),
        sa.Column("template_sha256", sa.Text(), nullable=False),
        sa.Column("package_version", sa.Text(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column(
            "settings",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the campaign as it was planned",
        ),
        sa.Column("audience", sa.Integer(), nullable=False),
        sa.Column("planned", sa.Integer(), nullable=False),
        sa.Column("held_out", sa.Integer(), nullable=False),
        sa.Column("excluded", sa.Integer(), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("audience = planned + held_out + excluded", name=op.f("ck_run_adds_up")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run")),
        sa.UniqueConstraint("campaign", "on_date", name=op.f("uq_run_campaign_on_date")),
    )
    op.create_table(
        "segment",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("snapshot_id", sa.Text(), nullable=False, comment="the last snapshot that changed this row"),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("recency_days", sa.Integer(), nullable=True),
        sa.Column("purchase_days", sa.Integer(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("average_basket_cents", sa.BigInteger(), nullable=True),
        sa.Column("r", sa.SmallInteger(), nullable=True),
        sa.Column("f", sa.SmallInteger(), nullable=True),
        sa.Column("m", sa.SmallInteger(), nullable=True),
        sa.Column("score", sa.Integer(), nullable=True),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("lifetime_cents", sa.BigInteger(), nullable=False),
        sa.Column("lifetime_days", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "segment in ('regular_heavy', 'regular_light', 'occasional_heavy', 'occasional_light', 'lapsed', 'prospect')",
            name=op.f("ck_segment_segment"),
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_segment")),
        comment="where each customer stands; the past is in the lake's snapshots",
    )
    op.create_table(
        "snapshot",
        sa.Column("snapshot_id", sa.Text(), nullable=False),
        sa.Column("taken_on", sa.Date(), nullable=False),
        sa.Column("manifest_sha256", sa.Text(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("snapshot_id", name=op.f("pk_snapshot")),
        comment="published customer bases that were loaded here",
    )
    op.create_table(
        "exclusion",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True, comment="what the rule saw, for each channel that was tried"),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name=op.f("pk_exclusion")),
        comment="whom a run did not take, and the first rule that said so",
    )
    op.create_table(
        "holdout",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False, comment="the channel that would have been used"),
        sa.Column("draw", sa.Float(), nullable=False, comment="the number drawn, below the share"),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name=op.f("pk_holdout")),
        comment="kept out at random, so that the effect can be measured",
    )
    op.create_table(
        "message",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("offer_code", sa.Text(), nullable=True),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column(
            "position",
            sa.Integer(),
            nullable=False,
            comment="1..n within run and channel: print order, or rank to call",
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pages", sa.SmallInteger(), nullable=True, comment="of a letter"),
        sa.Column("first_page", sa.Integer(), nullable=True, comment="of a letter, in its lot"),
        sa.CheckConstraint("channel in ('letter', 'email', 'call')", name=op.f("ck_message_channel")),
        sa.CheckConstraint(
            "state in ('planned', 'claimed', 'accepted', 'refused', 'unknown', 'cancelled')",
            name=op.f("ck_message_state"),
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message")),
        sa.UniqueConstraint("run_id", "customer_id", "channel", name=op.f("uq_message_run_id_customer_id_channel")),
        comment="the ledger",
    )
    op.create_index("ix_message_customer_id", "message", ["customer_id"], unique=False)
    op.create_index(
        "ix_message_to_leave",
        "message",
        ["run_id", "channel", "shard", "position"],
        unique=False,
        postgresql_where=sa.text("state in ('planned', 'claimed')"),
    )


def downgrade() -> None:
    op.drop_index("ix_message_to_leave", table_name="message")
    op.drop_index("ix_message_customer_id", table_name="message")
    op.drop_table("message")
    op.drop_table("holdout")
    op.drop_table("exclusion")
    op.drop_table("snapshot")
    op.drop_table("segment")
    op.drop_table("run")
    op.drop_table("customer")
    op.drop_table("consent")
    op.execute("drop function consent_rule")

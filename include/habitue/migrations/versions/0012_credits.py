"""Purchases credited to messages, and what everyone of a run bought in its window

Revision: 0012, after 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


RESPONSE_DAYS = """
create function response_days(settings jsonb) returns int
immutable parallel safe
return coalesce((settings ->> 'response_days')::int, offer_days(settings))
"""
OFFER_DAYS = """
create function offer_days(settings jsonb) returns int
immutable parallel safe
return coalesce((select max(days::int) from jsonb_path_query(settings, '$.**.valid_days') days), 60)
"""


def upgrade() -> None:
    op.execute(OFFER_DAYS)
    op.execute(RESPONSE_DAYS)
    op.add_column(
        "snapshot",
        sa.Column("gathered_at", sa.DateTime(timezone=True), nullable=True, comment="when its purchases were credited"),
    )
    op.create_table(
        "credit",
        sa.Column("credit_id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False, comment="who bought: not always whom the message was for"),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("ordered_on", sa.Date(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("rules_version", sa.Text(), nullable=False),
        sa.Column(
            "orders",
            sa.SmallInteger(),
            nullable=False,
            comment="1 credited, 0 its amounts change, -1 taken back",
        ),
        sa.Column("sold_cents", sa.BigInteger(), nullable=False, comment="the change in what was paid for goods"),
        sa.Column(
            "returned_cents", sa.BigInteger(), nullable=False, comment="the change in what was paid back, above 0"
        ),
        sa.Column("snapshot_id", sa.Text(), nullable=False, comment="the customer base that told it"),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("rule in ('offer_code', 'last_message')", name=op.f("ck_credit_rule")),
        sa.CheckConstraint("orders between -1 and 1", name=op.f("ck_credit_orders")),
        sa.PrimaryKeyConstraint("credit_id", name=op.f("pk_credit")),
        comment="purchases credited to messages, a book of changes: append-only, sums count, see `credits`",
    )
    op.create_index("ix_credit_run_id", "credit", ["run_id"], unique=False)
    op.create_index("ix_credit_order_id", "credit", ["order_id"], unique=False)
    op.create_table(
        "response",
        sa.Column("response_id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("snapshot_id", sa.Text(), nullable=False, comment="the customer base that told it"),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "until",
            sa.Date(),
            nullable=False,
            comment="the last day of orders in it, at most the window's",
        ),
        sa.Column("closed", sa.Boolean(), nullable=False, comment="the whole window is in it"),
        sa.Column("treated", sa.Boolean(), nullable=False, comment="planned to be written to; false: held out"),
        sa.Column("scope", sa.Text(), nullable=True, comment="of those held out: campaign, or shop"),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False, comment="planned, or that would have been used"),
        sa.Column("arm", sa.Text(), nullable=True, comment="of an A/B test; null for those held out"),
        sa.Column("customers", sa.Integer(), nullable=False),
        sa.Column("buyers", sa.Integer(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("sold_cents", sa.BigInteger(), nullable=False, comment="what was paid for goods within the window"),
        sa.Column(
            "returned_cents", sa.BigInteger(), nullable=False, comment="of it, what was paid back since, above 0"
        ),
        sa.Column(
            "squares", sa.Numeric(), nullable=False, comment="sum over customers of (sold - returned)², in cents²"
        ),
        sa.Column(
            "margin_cents",
            sa.BigInteger(),
            nullable=True,
            comment="the shop's gross margin of it; null: the shop says none",
        ),
        sa.CheckConstraint(
            "segment in ('regular_heavy', 'regular_light', 'occasional_heavy', 'occasional_light', 'lapsed', "
            "'prospect')",
            name=op.f("ck_response_segment"),
        ),
        sa.CheckConstraint("channel in ('letter', 'email', 'call')", name=op.f("ck_response_channel")),
        sa.CheckConstraint("scope in ('campaign', 'shop')", name=op.f("ck_response_scope")),
        sa.PrimaryKeyConstraint("response_id", name=op.f("pk_response")),
        sa.UniqueConstraint(
            *("run_id", "snapshot_id", "treated", "scope", "segment", "channel", "arm"),
            name="uq_response_figure",
            postgresql_nulls_not_distinct=True,
        ),
        comment="what everyone of a run bought in its window, written to or held out, whatever arrived; append-only",
    )


def downgrade() -> None:
    op.drop_column("snapshot", "gathered_at")
    op.execute("drop function response_days")
    op.execute("drop function offer_days")
    op.drop_table("response")
    op.drop_table("credit")

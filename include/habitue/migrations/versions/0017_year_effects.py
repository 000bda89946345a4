"""All campaigns of a year together: who was on which side of the shop's holdout, and what each side bought

Revision: 0017, after 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "year_period",
        sa.Column("period_id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column(
            "starts", sa.Date(), nullable=False, comment="the day of the first run that was planned with this draw"
        ),
        sa.Column("snapshot_id", sa.Text(), nullable=False, comment="the customer base of that run"),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("period_id", name="pk_year_period"),
        sa.UniqueConstraint("year", "seed", "share", name="uq_year_period_year_seed_share"),
        comment="the shop's holdout of a year, as it was drawn",
    )
    op.create_table(
        "year_side",
        sa.Column("period_id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False, comment="held out of everything; false: could be written to"),
        sa.PrimaryKeyConstraint("period_id", "customer_id", name="pk_year_side"),
        comment="who could be written to when the period began, and on which side of the draw; written once",
    )
    op.create_table(
        "year_response",
        sa.Column("period_id", sa.Integer(), nullable=False),
        sa.Column("snapshot_id", sa.Text(), nullable=False, comment="the customer base that told it"),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.Date(), nullable=False, comment="the last day of orders in it, at most the year's"),
        sa.Column("closed", sa.Boolean(), nullable=False, comment="the whole year is in it"),
        sa.Column("customers", sa.Integer(), nullable=False),
        sa.Column("buyers", sa.Integer(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("orders_squares", sa.BigInteger(), nullable=False, comment="sum over customers of orders²"),
        sa.Column("sold_cents", sa.BigInteger(), nullable=False, comment="what was paid for goods within the period"),
        sa.Column(
            "returned_cents", sa.BigInteger(), nullable=False, comment="of it, what was paid back since, above 0"
        ),
        sa.Column(
            "squares", sa.Numeric(), nullable=False, comment="sum over customers of (sold - returned)², in cents²"
        ),
        sa.Column("spent_micros", sa.BigInteger(), nullable=False, comment="on messages to this side that have left"),
        sa.Column("gross", sa.Float(), comment="the shop's gross margin; null: it says none"),
        sa.PrimaryKeyConstraint("period_id", "snapshot_id", "held", name="pk_year_response"),
        comment="what each side of the shop's holdout bought, as each customer base told it; append-only",
    )


def downgrade() -> None:
    for name in ("year_response", "year_side", "year_period"):
        op.drop_table(name)

"""The customer base over time: figures as they were told

Revision: 0011, after 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "figure",
        sa.Column("figure_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("span", sa.Text(), nullable=False),
        sa.Column("starts", sa.Date(), nullable=False, comment="the day before the period's first one"),
        sa.Column("ends", sa.Date(), nullable=False, comment="its last day"),
        sa.Column("part", sa.Text(), nullable=False, comment="the group, the tier, the cohort; empty: of all"),
        sa.Column("other", sa.Text(), nullable=False, comment="the group moved to, the quarters since"),
        sa.Column("value", sa.BigInteger(), nullable=False, comment="customers, visits or cents"),
        sa.Column("of", sa.BigInteger(), nullable=False, comment="of how many"),
        sa.Column("rule", sa.Text(), nullable=False, comment="figure_rule"),
        sa.Column("snapshot_id", sa.Text(), nullable=False, comment="from whose orders it was worked out"),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("span in ('day', 'quarter', 'year')", name=op.f("ck_figure_span")),
        sa.PrimaryKeyConstraint("figure_id", name=op.f("pk_figure")),
        comment="figures of the customer base as they were told; append-only, the last row counts and the first is "
        "shown",
    )
    op.create_index("ix_figure_cell", "figure", ["rule", "name", "span", "ends"], unique=False)
    op.create_table(
        "figure_rule",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column(
            "means",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the thresholds, and the hash of the questions asked",
        ),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("rule", name=op.f("pk_figure_rule")),
        comment="the versions of the rules that figures were told by",
    )


def downgrade() -> None:
    op.drop_table("figure_rule")
    op.drop_table("figure")

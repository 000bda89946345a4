"""Erasures

Revision: 0005, after 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erasure",
        sa.Column(
            "customer_id", sa.Text(), nullable=False, comment="the tombstone: a number that names nobody any more"
        ),
        sa.Column("rule", sa.Text(), nullable=False, comment="asked: by the person; else the rule of retention"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ordered_by", sa.Text(), nullable=False),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "done",
            postgresql.ARRAY(sa.Text()),
            server_default="{}",
            nullable=False,
            comment="steps that are behind it",
        ),
        sa.Column(
            "provider",
            sa.Text(),
            nullable=True,
            comment="what became of the provider's copy: taken, skipped, none; null: still to ask",
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True, comment="null: run it again"),
        sa.CheckConstraint("rule in ('asked', 'customer', 'prospect')", name=op.f("ck_erasure_rule")),
        sa.CheckConstraint("provider in ('taken', 'skipped', 'none')", name=op.f("ck_erasure_provider")),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_erasure")),
        comment="who is erased, by whose word, and how far it has come; it holds nothing of the person",
    )
    op.create_index(
        "ix_erasure_open", "erasure", ["customer_id"], unique=False, postgresql_where=sa.text("finished_at is null")
    )


def downgrade() -> None:
    op.drop_table("erasure")

"""The audit trail: who saw, took out or had forgotten whose data

Revision: 0008, after 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("audit_id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("said_by", sa.Text(), nullable=False, comment="who was logged in"),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column(
            "subject",
            sa.Text(),
            nullable=True,
            comment="a list, a run, a file: a word of ours, never what somebody typed",
        ),
        sa.Column("people", sa.Integer(), nullable=True, comment="how many people's data went out"),
        sa.CheckConstraint(
            "what in ('searched', 'viewed', 'exported', 'changed', 'erased')", name=op.f("ck_audit_what")
        ),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit")),
        comment="who saw, took out or had forgotten whose data; append-only",
    )
    op.create_index(op.f("ix_audit_customer_id"), "audit", ["customer_id"])


def downgrade() -> None:
    op.drop_table("audit")

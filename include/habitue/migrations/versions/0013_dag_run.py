"""Which of Airflow's DAG runs worked on which run, how far each run has come, and its exclusions by rule

Revision: 0013, after 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COUNTS = (
    "held_out", "excluded", "planned", "waiting", "in_hand", "cancelled", "refused", "unknown", "accepted", "no_news",
    "failed", "arrived", "opened", "clicked", "objected",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "dag_run",
        sa.Column("dag_id", sa.Text(), nullable=False),
        sa.Column("dag_run_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False, comment="when its plan was asked for"),
        sa.PrimaryKeyConstraint("dag_id", "dag_run_id", name=op.f("pk_dag_run")),
        comment="which of Airflow's DAG runs worked on which run: links lead both ways",
    )
    op.create_index("ix_dag_run_run_id", "dag_run", ["run_id"])
    op.create_table(
        "funnel",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False, comment="empty: left out, whatever the channel"),
        sa.Column("arm", sa.Text(), nullable=False, comment="empty: no test, left out, or held out"),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.Column("spent_micros", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "planned = waiting + in_hand + cancelled + refused + unknown + accepted",
            name=op.f("ck_funnel_planned_adds_up"),
        ),
        sa.CheckConstraint("accepted = no_news + failed + arrived", name=op.f("ck_funnel_accepted_adds_up")),
        sa.PrimaryKeyConstraint("run_id", "segment", "channel", "arm", name=op.f("pk_funnel")),
        comment="how far each run has come, as it was counted last",
    )
    op.create_index("ix_exclusion_rule", "exclusion", ["run_id", "rule", "customer_id"])


def downgrade() -> None:
    op.drop_index("ix_exclusion_rule", "exclusion")
    op.drop_table("funnel")
    op.drop_table("dag_run")

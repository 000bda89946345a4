"""What was counted of outcomes last: a large run's results, a year's money, a quarter's losses

Revision: 0015, after 0014
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outcome_part",
        sa.Column("name", sa.Text(), nullable=False, comment="measures, budget, losses or run"),
        sa.Column("of", sa.Text(), nullable=False, comment="the run, the year, the quarter"),
        sa.Column(
            "rows",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="what the questions answered: counts and sums only",
        ),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", "of", name=op.f("pk_outcome_part")),
        comment="figures of outcomes as they were counted last: what the pages of a large shop show",
    )
    op.create_index("ix_outcome_recorded_at", "outcome", ["recorded_at"], unique=False, postgresql_using="brin")


def downgrade() -> None:
    op.drop_index("ix_outcome_recorded_at", table_name="outcome", postgresql_using="brin")
    op.drop_table("outcome_part")

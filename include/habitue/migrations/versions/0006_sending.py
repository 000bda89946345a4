"""E-mails counted by day, for a warm-up or a daily cap

Revision: 0006, after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mail_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("mails", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_mail_day")),
        comment="e-mails that have left on a day of the shop, or may have; only where it sets a limit",
    )


def downgrade() -> None:
    op.drop_table("mail_day")

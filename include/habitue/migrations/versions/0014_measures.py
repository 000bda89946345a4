"""What customers may bring: beside the groups, for the order of calls and for warnings

Revision: 0014, after 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None

COLUMNS = {
    "alive": (sa.Double(), "probability of being a customer still; null: bought once, or not known"),
    "worth_cents": (sa.BigInteger(), "what the next year may bring"),
    "won_back_cents": (sa.BigInteger(), "of lapsed customers: what a year brings beyond that, if they come back"),
}


def upgrade() -> None:
    for name, (kind, comment) in COLUMNS.items():
        op.add_column("segment", sa.Column(name, kind, comment=comment))


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("segment", name)

"""What customers may bring: beside the groups, for the order of calls and for warnings

Revision: 0014, after 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

COMMENTS = {
    "alive": "probability of being a customer still; null: bought once, or not known",
    "worth_cents": "what the next year may bring",
    "won_back_cents": "of lapsed customers: what a year brings beyond that, if they come back",
}


def upgrade() -> None:
    op.add_column("segment", sa.Column("alive", sa.Double(), comment=COMMENTS["alive"]))
    for name in ("worth_cents", "won_back_cents"):
        op.add_column("segment", sa.Column(name, sa.BigInteger(), comment=COMMENTS[name]))


def downgrade() -> None:
    for name in COMMENTS:
        op.drop_column("segment", name)

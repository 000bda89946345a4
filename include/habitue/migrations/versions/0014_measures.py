"""What customers may bring: beside the groups, for the order of calls and for warnings

Revision: 0014, after 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("segment", sa.Column("alive", sa.Float()))
    op.add_column("segment", sa.Column("worth_cents", sa.BigInteger()))
    op.add_column("segment", sa.Column("won_back_cents", sa.BigInteger()))


def downgrade() -> None:
    for name in ("won_back_cents", "worth_cents", "alive"):
        op.drop_column("segment", name)

"""How far the news have been read since purchases were credited, and figures restated by the same customer base

Revision: 0016, after 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

FIGURE = ("treated", "scope", "segment", "channel", "arm")


def upgrade() -> None:
    op.add_column("snapshot", sa.Column("heard_until", sa.BigInteger(), comment="the last event looked at since"))
    op.add_column(
        "snapshot",
        sa.Column("tallies_md5", sa.Text(), comment="over the tallies of the runs that may be credited, as they were"),
    )
    _figure_of("run_id", "snapshot_id", "known_at", *FIGURE)


def downgrade() -> None:
    # Of what one customer base told twice, the last stays.
    op.execute(
        "delete from response r where exists (select from response l where l.run_id = r.run_id "
        "and l.snapshot_id = r.snapshot_id and l.known_at > r.known_at)"
    )
    _figure_of("run_id", "snapshot_id", *FIGURE)
    for name in ("tallies_md5", "heard_until"):
        op.drop_column("snapshot", name)


def _figure_of(*columns: str) -> None:
    op.drop_constraint("uq_response_figure", "response")
    op.create_unique_constraint("uq_response_figure", "response", columns, postgresql_nulls_not_distinct=True)

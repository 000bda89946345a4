"""Of two grants of the same instant, the customer's own word counts

Revision: 0018, after 0017
"""

from alembic import context, op

# An import and the customer may grant the same in the same instant, one of them until a day. Which of the two counted was
# left to the order in which the database found them, so that a plan and its claim could differ.
BEFORE = "k.recorded_at desc, k.status desc"

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for function in _functions():
        op.execute(function.replace(BEFORE, f"{BEFORE}, k.direct desc"))


def downgrade() -> None:
    for function in _functions():
        op.execute(function)


def _functions() -> list[str]:
    first = context.script.get_revision("0003").module
    return [
        one.replace("create function", "create or replace function") for one in (first.LAST_WORDS, first.LAST_WORD_OF)
    ]

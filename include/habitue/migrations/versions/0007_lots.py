"""Lots of letters: what the print shop got, which letter stands where, and what printer and post tell of them

Revision: 0007, after 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BEFORE = (
    "accepted", "deferred", "delivered", "hard_bounce", "blocked", "dropped", "complaint", "unsubscribed",
    "resubscribed", "opened", "machine_opened", "clicked", "returned", "reached", "not_reached",
)  # fmt: skip
NEW = ("printed", "spoiled", "not_mailed", "mailed")


def _only(kinds: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_outcome_kind"), "outcome", type_="check")
    allowed = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(op.f("ck_outcome_kind"), "outcome", f"kind in ({allowed})")


def upgrade() -> None:
    _only((*BEFORE[:12], *NEW, *BEFORE[12:]))
    op.add_column("outcome", sa.Column("reason", sa.Text(), comment="why the post brought a letter back"))
    op.create_table(
        "lot",
        sa.Column("lot_id", sa.Text(), nullable=False, comment="LOT-campaign-date-number: the name of its folder"),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column(
            "number", sa.SmallInteger(), nullable=False, comment="the shard's; reprints go on behind the last one"
        ),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="of a reprint: why"),
        sa.Column("made_by", sa.Text(), nullable=True, comment="of a reprint: who asked for it"),
        sa.Column(
            "pdf_sha256",
            sa.Text(),
            nullable=True,
            comment="as it lies here: pages of people who were erased are empty",
        ),
        sa.Column(
            "handed_over_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="null: a reprint that is not finished",
        ),
        sa.Column("handed_over_to", sa.Text(), nullable=True, comment="the folder's or the service's address"),
        sa.Column("provider_id", sa.Text(), nullable=True, comment="the letter service's name for it"),
        sa.PrimaryKeyConstraint("lot_id", name=op.f("pk_lot")),
        sa.UniqueConstraint("run_id", "number", name=op.f("uq_lot_run_id_number")),
        comment="what the print shop got: a PDF with its manifest",
    )
    op.create_table(
        "lot_letter",
        sa.Column("lot_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False, comment="1..n in the lot, printed on its sheets"),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("first_page", sa.Integer(), nullable=True, comment="from 1; null: not printed yet"),
        sa.Column("pages", sa.SmallInteger(), nullable=True),
        sa.Column(
            "letter_mark",
            sa.LargeBinary(),
            nullable=True,
            comment="of the address that was printed: a keyed hash, as in suppression",
        ),
        sa.PrimaryKeyConstraint("lot_id", "seq", name=op.f("pk_lot_letter")),
        sa.UniqueConstraint("lot_id", "message_id", name=op.f("uq_lot_letter_lot_id_message_id")),
        comment="which letter stands where in which lot; a letter printed again stands in two",
    )
    op.create_index("ix_lot_letter_message_id", "lot_letter", ["message_id"], unique=False)


def downgrade() -> None:
    op.drop_table("lot_letter")
    op.drop_table("lot")
    op.drop_column("outcome", "reason")
    # The version before can't name them.
    op.execute("delete from outcome where kind in ('printed', 'spoiled', 'not_mailed', 'mailed')")
    _only(BEFORE)

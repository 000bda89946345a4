"""Events of mail providers: posts as they came, the names by which events are known, what belongs to no message

Revision: 0004, after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BEFORE = (
    "accepted", "deferred", "delivered", "hard_bounce", "blocked", "dropped", "complaint", "unsubscribed", "returned",
    "reached", "not_reached",
)  # fmt: skip
NEW = ("resubscribed", "opened", "machine_opened", "clicked")


def _only(kinds: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_outcome_kind"), "outcome", type_="check")
    allowed = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(op.f("ck_outcome_kind"), "outcome", f"kind in ({allowed})")


def upgrade() -> None:
    _only((*BEFORE[:8], *NEW, *BEFORE[8:]))
    op.create_table(
        "webhook_post",
        sa.Column("post_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="as it was signed: holds addresses"),
        sa.Column("events", sa.Integer(), nullable=True, comment="how many it told; null until applied"),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "error",
            sa.Text(),
            nullable=True,
            comment="why it could not be read; such a post is kept and looked at by a person",
        ),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk_webhook_post")),
        comment="what providers posted, as it came; bodies hold addresses, are never logged, and retention purges them",
    )
    op.create_index(
        "ix_webhook_post_waiting",
        "webhook_post",
        ["post_id"],
        unique=False,
        postgresql_where=sa.text("applied_at is null"),
    )
    op.create_table(
        "event_key",
        sa.Column(
            "key",
            sa.Uuid(),
            nullable=False,
            comment="a hash of what names an event: its meaning, or the provider's id",
        ),
        sa.Column(
            "event",
            sa.Uuid(),
            nullable=False,
            comment="its own meaning: source_key of outcome, event of event_apart",
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_event_key")),
        comment="by which names the provider's events are known: told again under either, they are the same event",
    )
    op.create_table(
        "event_apart",
        sa.Column("event", sa.Uuid(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=True, comment="the provider's word, where it is one"),
        sa.Column("kind", sa.Text(), nullable=True, comment="ours, where there is one"),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False, comment="its place in the post, from 0"),
        sa.Column(
            "provider_ref",
            sa.Text(),
            nullable=True,
            comment="the provider's id of the message, which begins with ours of it",
        ),
        sa.Column("mark", sa.LargeBinary(), nullable=True, comment="keyed hash of the address, as in suppression"),
        sa.Column("withdraws", sa.Boolean(), nullable=False, comment="its customer says no to further mails"),
        sa.CheckConstraint(
            "why in ('unknown_message', 'unknown_type', 'account', 'unreadable')", name=op.f("ck_event_apart_why")
        ),
        sa.PrimaryKeyConstraint("event", name=op.f("pk_event_apart")),
        comment="events that belong to no message of the ledger, or say what nobody knows yet",
    )
    op.create_index("ix_event_apart_recorded_at", "event_apart", ["recorded_at"], unique=False)


def downgrade() -> None:
    for name in ("event_apart", "event_key", "webhook_post"):
        op.drop_table(name)
    op.execute("delete from outcome where kind in ('resubscribed', 'opened', 'machine_opened', 'clicked')")
    _only(BEFORE)

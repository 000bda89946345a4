"""The call desk: lines of call lists, attempts, agreed slots, complaints, offers that answer a reason

Revision: 0009, after 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

LISTS = {
    ("hold", "reason"): ("erased complaint payment_incident", "deceased"),
    ("suppression", "reason"): (
        "unsubscribed hard_bounce spam_complaint returned_letter refused_calls",
        "bad_number moved",
    ),
    ("outcome", "kind"): (
        "accepted deferred delivered hard_bounce blocked dropped complaint unsubscribed resubscribed opened "
        "machine_opened clicked printed spoiled not_mailed mailed returned reached not_reached",
        "released",
    ),
}
"""By table and column: what was allowed before, and what is new."""


def _only(table: str, column: str, words: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{column}"), table, type_="check")
    allowed = ", ".join(f"'{word}'" for word in words.split())
    op.create_check_constraint(op.f(f"ck_{table}_{column}"), table, f"{column} in ({allowed})")


def upgrade() -> None:
    for (table, column), (before, new) in LISTS.items():
        _only(table, column, f"{before} {new}")
    op.create_table(
        "call_line",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False, comment="1..n in its list: the best customer first"),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="closed: the rule that closed it"),
        sa.Column("disposition", sa.Text(), nullable=True, comment="how the last call ended"),
        sa.Column("law", sa.Text(), nullable=True, comment="calling.Law.key where they live; null: none is known"),
        sa.Column("timezone", sa.Text(), nullable=True, comment="the clock they live by"),
        sa.Column(
            "phone_mark",
            sa.LargeBinary(),
            nullable=True,
            comment="keyed hash, as in suppression: two lines may lead to one telephone",
        ),
        sa.Column(
            "value_cents", sa.BigInteger(), nullable=False, comment="what they ever spent, when the list was made"
        ),
        sa.Column(
            "favourites",
            postgresql.ARRAY(sa.Text()),
            nullable=True,
            comment="what they used to buy, when the list was made",
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="from then on nobody is rung from this list",
        ),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True, comment="not to be rung (again) before"),
        sa.Column("callback_at", sa.DateTime(timezone=True), nullable=True, comment="an agreed moment"),
        sa.Column("owner", sa.Text(), nullable=True, comment="who agreed it, and is to keep it"),
        sa.Column("assigned_to", sa.Text(), nullable=True, comment="only this agent gets it"),
        sa.Column("reserved_by", sa.Text(), nullable=True),
        sa.Column("reserved_until", sa.DateTime(timezone=True), nullable=True, comment="the lease"),
        sa.Column("attempt_id", sa.BigInteger(), nullable=True, comment="under way: dialled and not finished"),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False, comment="of this list"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "disposition in ('no_answer', 'busy', 'voicemail_nomsg', 'voicemail_left', 'tech_failure', 'callback_at', 'callback_later', 'reached_courtesy', 'offer_accepted', 'will_visit', 'not_interested', 'complaint', 'moved', 'language', 'minor', 'do_not_call', 'bad_number', 'wrong_person', 'fax', 'deceased')",
            name=op.f("ck_call_line_disposition"),
        ),
        sa.CheckConstraint(
            "status in ('open', 'done', 'closed', 'not_reached', 'released')", name=op.f("ck_call_line_status")
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_call_line")),
        comment="the call desk's lists: a line for each call message, and who has it in hand",
    )
    op.create_index("ix_call_line_customer_id", "call_line", ["customer_id"], unique=False)
    op.create_index(
        "ix_call_line_open", "call_line", ["rank", "run_id"], unique=False, postgresql_where=sa.text("status = 'open'")
    )
    op.create_index(
        "ix_call_line_reserved",
        "call_line",
        ["reserved_until"],
        unique=False,
        postgresql_where=sa.text("reserved_by is not null"),
    )
    op.create_index("ix_call_line_run_id", "call_line", ["run_id", "rank"], unique=False)
    op.create_table(
        "call_attempt",
        sa.Column("attempt_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column(
            "phone_mark",
            sa.LargeBinary(),
            nullable=True,
            comment="keyed hash of the number: counted by it too, after an erasure as well",
        ),
        sa.Column("mark_key", sa.Text(), nullable=True, comment="which key the mark was made with"),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("dialled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, comment="when the base learned of it"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="null: under way"),
        sa.Column(
            "disposition",
            sa.Text(),
            nullable=True,
            comment="null where ended: the agent's page died, and nobody has finished it",
        ),
        sa.Column("reason", sa.Text(), nullable=True, comment="why the customer left, as they told it"),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column(
            "offer_made",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="the offer was told on the phone",
        ),
        sa.Column("source", sa.Text(), nullable=False, comment="desk, or import of a list worked off it"),
        sa.Column("source_key", sa.Text(), nullable=True, comment="of an import: told twice, kept once"),
        sa.Column("band", sa.Text(), nullable=False, comment="morning, afternoon or evening, by the customer's clock"),
        sa.Column("barrier", sa.Text(), nullable=True, comment="of an import: the rule that the call broke"),
        sa.CheckConstraint(
            "disposition in ('no_answer', 'busy', 'voicemail_nomsg', 'voicemail_left', 'tech_failure', 'callback_at', 'callback_later', 'reached_courtesy', 'offer_accepted', 'will_visit', 'not_interested', 'complaint', 'moved', 'language', 'minor', 'do_not_call', 'bad_number', 'wrong_person', 'fax', 'deceased')",
            name=op.f("ck_call_attempt_disposition"),
        ),
        sa.CheckConstraint(
            "reason in ('price', 'assortment', 'service', 'quality', 'moved', 'competitor', 'other', 'none')",
            name=op.f("ck_call_attempt_reason"),
        ),
        sa.CheckConstraint("source in ('desk', 'import')", name=op.f("ck_call_attempt_source")),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_call_attempt")),
        sa.UniqueConstraint("source_key", name=op.f("uq_call_attempt_source_key")),
        comment="every time somebody was dialled: written when it is dialled, completed once, never taken back",
    )
    op.create_index("ix_call_attempt_customer_id", "call_attempt", ["customer_id", "dialled_at"], unique=False)
    op.create_index("ix_call_attempt_phone_mark", "call_attempt", ["phone_mark", "dialled_at"], unique=False)
    op.create_index("ix_call_attempt_run_id", "call_attempt", ["run_id"], unique=False)
    op.create_table(
        "call_slot",
        sa.Column("slot_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agreed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agreed_by", sa.Text(), nullable=False, comment="who heard it"),
        sa.Column("attempt_id", sa.BigInteger(), nullable=True, comment="the call on which it was agreed"),
        sa.Column("proof", sa.Text(), nullable=False, comment="how the customer agreed to this very date and time"),
        sa.PrimaryKeyConstraint("slot_id", name=op.f("pk_call_slot")),
        comment="exact moments at which customers agreed to be rung, outside the hours too; append-only",
    )
    op.create_index("ix_call_slot_customer_id", "call_slot", ["customer_id"], unique=False)
    op.create_table(
        "complaint",
        sa.Column("complaint_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True, comment="of the call that brought it up"),
        sa.Column("attempt_id", sa.BigInteger(), nullable=True),
        sa.Column("about", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=False, comment="who answers it"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False, comment="until when an answer is promised"),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("complaint_id", name=op.f("pk_complaint")),
        comment="complaints with an owner and a promise; the hold of reason complaint is open as long as one is",
    )
    op.create_index("ix_complaint_customer_id", "complaint", ["customer_id"], unique=False)
    op.create_index(
        "ix_complaint_open", "complaint", ["due_at"], unique=False, postgresql_where=sa.text("closed_at is null")
    )
    op.create_table(
        "targeted_offer",
        sa.Column("offer_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False, comment="of the call on which the reason was told"),
        sa.Column("attempt_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False, comment="the campaign that will make it"),
        sa.Column("channel", sa.Text(), nullable=False, comment="which way it tries first"),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("channel in ('letter', 'email', 'call')", name=op.f("ck_targeted_offer_channel")),
        sa.CheckConstraint(
            "reason in ('price', 'assortment', 'service', 'quality', 'moved', 'competitor', 'other', 'none')",
            name=op.f("ck_targeted_offer_reason"),
        ),
        sa.PrimaryKeyConstraint("offer_id", name=op.f("pk_targeted_offer")),
        sa.UniqueConstraint("attempt_id", name=op.f("uq_targeted_offer_attempt_id")),
        comment="offers that answer a reason for leaving, for the campaign of that name to take up; append-only",
    )
    op.create_index("ix_targeted_offer_campaign", "targeted_offer", ["campaign", "queued_at"], unique=False)


def downgrade() -> None:
    for name in ("targeted_offer", "complaint", "call_slot", "call_attempt", "call_line"):
        op.drop_table(name)
    for (table, column), (before, new) in LISTS.items():
        # The version before can't name them.
        words = ", ".join(f"'{word}'" for word in new.split())
        op.execute(f"delete from {table} where {column} in ({words})")  # noqa: S608 - ours
        _only(table, column, before)

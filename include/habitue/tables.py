"""The base's tables: decisions, and as much of the last snapshot as decisions need.

`message` is the ledger: unique on (run, customer, channel), written once, by the plan, in the transaction that writes
its run. There is no foreign key from one to the other: it would be looked up once a row, a million times the same run.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB


class Channel(StrEnum):
    LETTER = "letter"
    EMAIL = "email"
    CALL = "call"


class Segment(StrEnum):
    REGULAR_HEAVY = "regular_heavy"
    REGULAR_LIGHT = "regular_light"
    OCCASIONAL_HEAVY = "occasional_heavy"
    OCCASIONAL_LIGHT = "occasional_light"
    LAPSED = "lapsed"
    PROSPECT = "prospect"
    """never bought; outside the five groups"""


class State(StrEnum):
    """What has become of a message. `planned → claimed → accepted | refused | unknown`; `planned → cancelled`;
    `claimed → planned` where the sender says that it never handed it over."""

    PLANNED = "planned"
    """written down, nothing has left"""
    CLAIMED = "claimed"
    """one worker holds it, until its lease runs out; something may have left"""
    ACCEPTED = "accepted"
    """the provider, the print folder or the call list has it"""
    REFUSED = "refused"
    """the provider said no; nothing has left"""
    UNKNOWN = "unknown"
    """the worker died between claim and answer; never sent again by itself"""
    CANCELLED = "cancelled"
    """the claim asked again and the answer had changed, or a person stopped it"""


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} in ({allowed})", name=column)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("snapshot_id", Text, primary_key=True),
    Column("taken_on", Date, nullable=False),
    Column("manifest_sha256", Text, nullable=False),
    Column("loaded_at", DateTime(timezone=True), nullable=False),
    comment="published customer bases that were loaded here",
)

customer = Table(
    "customer",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("civility", Text),
    Column("first_name", Text),
    Column("last_name", Text),
    Column("birth_date", Date),
    Column("language", Text, nullable=False),
    Column("email", Text),
    Column("phone", Text, comment="E.164"),
    Column("phone_region", Text),
    Column("timezone", Text),
    Column("street", Text),
    Column("address_extra", Text),
    Column("postcode", Text),
    Column("city", Text),
    Column("country", Text),
    Column("created_on", Date),
    Column("deceased_on", Date),
    Column("household", Text, comment="the same for people who share a letter box"),
    Column("letter_barrier", Text, comment="the rule that keeps letters away, null = reachable"),
    Column("email_barrier", Text),
    Column("call_barrier", Text),
    Column("snapshot_id", Text, nullable=False, comment="the last snapshot that changed this row"),
    Column("gone", Text, comment="the snapshot from which on this customer is no longer in the shop's data"),
)

consent = Table(
    "consent",
    metadata,
    Column("consent_id", BigInteger, Identity(), primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("basis", Text),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("valid_until", Date),
    Column("source", Text),
    Column("wording_version", Text),
    CheckConstraint("status in ('granted', 'refused', 'withdrawn')", name="status"),
    one_of("channel", Channel),
    UniqueConstraint("customer_id", "channel", "purpose", "recorded_at", "status"),
    comment="what each allowed or refused; append-only, the latest event counts, objections win",
)

segment = Table(
    "segment",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("snapshot_id", Text, nullable=False, comment="the last snapshot that changed this row"),
    Column("segment", Text, nullable=False),
    Column("recency_days", Integer),
    Column("purchase_days", Integer, nullable=False),
    Column("orders", Integer, nullable=False),
    Column("amount_cents", BigInteger, nullable=False),
    Column("average_basket_cents", BigInteger),
    Column("r", SmallInteger),
    Column("f", SmallInteger),
    Column("m", SmallInteger),
    Column("score", Integer),
    Column("tier", Text),
    Column("first_day", Date),
    Column("last_day", Date),
    Column("lifetime_cents", BigInteger, nullable=False),
    Column("lifetime_days", Integer, nullable=False),
    one_of("segment", Segment),
    comment="where each customer stands; the past is in the lake's snapshots",
)

run = Table(
    "run",
    metadata,
    Column("run_id", Text, primary_key=True, comment="campaign:date"),
    Column("campaign", Text, nullable=False),
    Column("on_date", Date, nullable=False),
    Column("snapshot_id", Text, nullable=False),
    Column("campaign_sha256", Text, nullable=False),
    Column("template_sha256", Text, nullable=False),
    Column("package_version", Text, nullable=False),
    Column("seed", Text, nullable=False),
    Column("settings", JSONB, nullable=False, comment="the campaign as it was planned"),
    Column("audience", Integer, nullable=False),
    Column("planned", Integer, nullable=False),
    Column("held_out", Integer, nullable=False),
    Column("excluded", Integer, nullable=False),
    Column("planned_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("campaign", "on_date"),
    CheckConstraint("audience = planned + held_out + excluded", name="adds_up"),
)

message = Table(
    "message",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("segment", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("offer_code", Text),
    Column("shard", SmallInteger, nullable=False),
    Column("position", Integer, nullable=False, comment="1..n within run and channel: print order, or rank to call"),
    Column("state", Text, nullable=False),
    Column("attempt", SmallInteger, nullable=False, server_default="0"),
    Column("claimed_by", Text),
    Column("lease_until", DateTime(timezone=True)),
    Column("provider_id", Text),
    Column("reason", Text),
    Column("settled_at", DateTime(timezone=True)),
    Column("pages", SmallInteger, comment="of a letter"),
    Column("first_page", Integer, comment="of a letter, in its lot"),
    one_of("channel", Channel),
    one_of("state", State),
    UniqueConstraint("run_id", "customer_id", "channel"),
    # Only what is still to leave: a claim finds its rows at once, however many have left before.
    Index(
        "ix_message_to_leave",
        "run_id",
        "channel",
        "shard",
        "position",
        postgresql_where=text("state in ('planned', 'claimed')"),
    ),
    Index("ix_message_customer_id", "customer_id"),
    comment="the ledger",
)

exclusion = Table(
    "exclusion",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("segment", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("value", Text, comment="what the rule saw, for each channel that was tried"),
    comment="whom a run did not take, and the first rule that said so",
)

holdout = Table(
    "holdout",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("segment", Text, nullable=False),
    Column("channel", Text, nullable=False, comment="the channel that would have been used"),
    Column("draw", Float, nullable=False, comment="the number drawn, below the share"),
    comment="kept out at random, so that the effect can be measured",
)

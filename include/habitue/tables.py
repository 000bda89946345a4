"""The base's tables: decisions, and as much of the last snapshot as decisions need.

`message` is the ledger: unique on (run, customer, channel), written once, by the plan, in the transaction that writes
its run. There is no foreign key from one to the other: it would be looked up once a row, a million times the same run.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from habitue.call_tables import call_attempt as call_attempt
from habitue.call_tables import call_line as call_line
from habitue.call_tables import call_slot as call_slot
from habitue.call_tables import complaint as complaint
from habitue.call_tables import targeted_offer as targeted_offer
from habitue.kinds import Apart as Apart
from habitue.kinds import Audited as Audited
from habitue.kinds import Channel as Channel
from habitue.kinds import CreditRule as CreditRule
from habitue.kinds import Disposition as Disposition
from habitue.kinds import Hold as Hold
from habitue.kinds import LineStatus as LineStatus
from habitue.kinds import OutcomeKind as OutcomeKind
from habitue.kinds import Reason as Reason
from habitue.kinds import ReturnReason as ReturnReason
from habitue.kinds import RunState as RunState
from habitue.kinds import Segment as Segment
from habitue.kinds import Span as Span
from habitue.kinds import State as State
from habitue.kinds import SuppressionReason as SuppressionReason
from habitue.outcome_tables import FUNNEL as FUNNEL
from habitue.outcome_tables import credit as credit
from habitue.outcome_tables import dag_run as dag_run
from habitue.outcome_tables import figure as figure
from habitue.outcome_tables import figure_rule as figure_rule
from habitue.outcome_tables import funnel as funnel
from habitue.outcome_tables import outcome_part as outcome_part
from habitue.outcome_tables import response as response
from habitue.schema import metadata as metadata
from habitue.schema import one_of as one_of

TALLIES = ("accepted", "refused", "unknown", "cancelled", "delivered", "hard_bounces", "complaints")
"""What is counted of each shard."""

snapshot = Table(
    "snapshot",
    metadata,
    Column("snapshot_id", Text, primary_key=True),
    Column("taken_on", Date, nullable=False),
    Column("manifest_sha256", Text, nullable=False),
    Column("loaded_at", DateTime(timezone=True), nullable=False),
    Column("gathered_at", DateTime(timezone=True), comment="when its purchases were credited"),
    Column("heard_until", BigInteger, comment="the last event looked at since"),
    Column("tallies_md5", Text, comment="over the tallies of the runs that may be credited, as they were"),
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
    Column("email_mark", LargeBinary, comment="keyed hash, as in suppression"),
    Column("phone_mark", LargeBinary),
    Column("letter_mark", LargeBinary),
    Column("person_mark", LargeBinary, comment="keyed hash of name and e-mail: the same person under two numbers"),
    Column("mark_key", Text, comment="which key the marks were made with"),
    # By what customers are found (`searches`): over the row itself, so that whoever writes one need not think of it.
    # The last four are in the order of bytes, collation "C".
    Index("ix_customer_search_words", text("search_words(first_name, last_name, city)"), postgresql_using="gin"),
    Index("ix_customer_number_parts", text("number_parts(phone)"), postgresql_using="gin"),
    Index("ix_customer_last_name", text('"left"(folded("left"(last_name, 80)), 80)')),
    Index("ix_customer_email", text('"left"(address_value(email), 254)')),
    Index("ix_customer_phone", text('"left"(phone, 20)')),
    Index("ix_customer_person_mark", "person_mark", postgresql_where=text("person_mark is not null")),
    *(
        Index(f"ix_customer_{barrier}", barrier, "customer_id", postgresql_where=text(f"{barrier} is not null"))
        for barrier in ("letter_barrier", "email_barrier", "call_barrier")
    ),
    Index("ix_customer_id", text('"left"(lower(customer_id COLLATE pg_c_utf8), 80)')),
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
    Column("known_at", DateTime(timezone=True), nullable=False, comment="when the base learned of it"),
    Column(
        "direct",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="told to us by the customer, not read in an import",
    ),
    CheckConstraint("status in ('granted', 'refused', 'withdrawn')", name="status"),
    one_of("channel", Channel),
    UniqueConstraint("customer_id", "channel", "purpose", "recorded_at", "status", "direct", name="uq_consent_event"),
    Index("ix_consent_direct", "customer_id", "channel", postgresql_where=text("direct")),
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
    Column("alive", Float),
    Column("worth_cents", BigInteger),
    Column("won_back_cents", BigInteger),
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
    Column("number", BigInteger, Identity(), nullable=False, comment="in which order runs were planned"),
    Column("shop", JSONB, nullable=False, comment="the shop's settings as they were planned with"),
    Column("files", JSONB, nullable=False, comment="SHA-256 of every text and layout that the run may use"),
    Column("audience_sha256", Text, nullable=False, comment="over every message: approval is for exactly these"),
    Column("content_sha256", Text, nullable=False, comment="over campaign, texts and what the shop says of itself"),
    Column("cost_micros", BigInteger, nullable=False, comment="millionths of the currency unit"),
    Column("approvals_needed", SmallInteger, nullable=False, server_default="0"),
    Column("deliver_until", DateTime(timezone=True), nullable=False, comment="later, a person must say so"),
    Column("state", Text, nullable=False, server_default="open"),
    Column("state_reason", Text),
    Column("state_by", Text),
    Column("state_at", DateTime(timezone=True)),
    Column("judged_from", JSONB, comment="the tallies when it was last resumed: the breaker judges what came since"),
    one_of("state", RunState),
    UniqueConstraint("number"),
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
    Column("arm", Text, comment="of an A/B test"),
    Column("offer_code", Text),
    Column("cost_micros", BigInteger, nullable=False, server_default="0"),
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
    UniqueConstraint("customer_id", "run_id", "channel"),
    Index("ix_message_place", "run_id", "channel", "shard", "position"),
    # No index knows the state and every page has room for its rows again: claiming and settling touch no index.
    postgresql_with={"fillfactor": 50},
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
    Index("ix_exclusion_rule", "run_id", "rule", "customer_id"),
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
    Column("scope", Text, nullable=False, server_default="campaign"),
    CheckConstraint("scope in ('campaign', 'shop')", name="scope"),
    comment="kept out at random, so that the effect can be measured",
)

shop_holdout = Table(
    "shop_holdout",
    metadata,
    Column("year", SmallInteger, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("draw", Float, nullable=False),
    Column("known_at", DateTime(timezone=True), nullable=False),
    comment="the global holdout: whom nobody writes to in that calendar year, drawn once and kept",
)

shard = Table(
    "shard",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("shard", SmallInteger, primary_key=True),
    Column("messages", Integer, nullable=False),
    *(Column(name, Integer, nullable=False, server_default="0") for name in TALLIES),
    Column("audience_sha256", Text, nullable=False, comment="over its messages: who, by which way and text"),
    Column("content_sha256", Text, comment="over what was rendered, message by message"),
    one_of("channel", Channel),
    comment="a run's parts and their tallies, kept by the statements that move messages: the breaker reads them",
)

approval = Table(
    "approval",
    metadata,
    Column("approval_id", BigInteger, Identity(), primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("step", SmallInteger, nullable=False, comment="1, or 2 where a second person must agree"),
    Column("decision", Text, nullable=False),
    Column("said_by", Text, comment="null: nobody answered in time"),
    Column("said_at", DateTime(timezone=True), nullable=False),
    Column("audience_sha256", Text, nullable=False),
    Column("content_sha256", Text, nullable=False),
    CheckConstraint("decision in ('approved', 'rejected', 'timed_out')", name="decision"),
    Index("ix_approval_run_id", "run_id"),
    comment="who approved which audience and which content, and when; append-only",
)

hold = Table(
    "hold",
    metadata,
    Column("hold_id", BigInteger, Identity(), primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("closed_at", DateTime(timezone=True)),
    Column("closed_by", Text),
    one_of("reason", Hold),
    Index("ix_hold_open", "customer_id", "reason", unique=True, postgresql_where=text("closed_at is null")),
    comment="customers whom no campaign may write to or call for now",
)

suppression = Table(
    "suppression",
    metadata,
    Column("suppression_id", BigInteger, Identity(), primary_key=True),
    Column("channel", Text, nullable=False),
    Column("mark", LargeBinary, nullable=False, comment="HMAC-SHA-256 of the address or number; the key is not here"),
    Column("reason", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("mark_key", Text, nullable=False, comment="which key the mark was made with"),
    Column("source", Text, nullable=False),
    Column("lifted_at", DateTime(timezone=True)),
    Column("lifted_by", Text),
    one_of("channel", Channel),
    one_of("reason", SuppressionReason),
    Index("ix_suppression_open", "channel", "mark", "reason", unique=True, postgresql_where=text("lifted_at is null")),
    comment="addresses and numbers that must not be used again",
)

stop = Table(
    "stop",
    metadata,
    Column("stop_id", BigInteger, Identity(), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("said_by", Text, nullable=False),
    Column("said_at", DateTime(timezone=True), nullable=False),
    Column("lifted_by", Text),
    Column("lifted_at", DateTime(timezone=True)),
    comment="the kill switch: while one is open, nothing leaves",
)

outcome = Table(
    "outcome",
    metadata,
    Column("outcome_id", BigInteger, Identity(), primary_key=True),
    Column("message_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("source", Text, nullable=False, comment="who told it: sendgrid, bounce, printer, desk, person"),
    Column("source_key", Text, nullable=False, comment="the source's own name for this event: told twice, kept once"),
    Column("reason", Text, comment="why the post brought a letter back"),
    one_of("kind", OutcomeKind),
    UniqueConstraint("source", "source_key"),
    Index("ix_outcome_message_id", "message_id"),
    Index("ix_outcome_recorded_at", "recorded_at", postgresql_using="brin"),
    comment="what came of messages after they left; append-only",
)

preference = Table(
    "preference",
    metadata,
    Column("preference_id", BigInteger, Identity(), primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("language", Text, comment="null: as the shop's data say"),
    Column("fewer", Boolean, nullable=False, comment="wishes for fewer messages"),
    Column("since", DateTime(timezone=True), nullable=False),
    Index("ix_preference_customer_id", "customer_id", "preference_id"),
    comment="how each customer wishes to be written to; append-only, the last row counts",
)

webhook_post = Table(
    "webhook_post",
    metadata,
    Column("post_id", BigInteger, Identity(), primary_key=True),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("source", Text, nullable=False),
    Column("body", LargeBinary, nullable=False, comment="as it was signed: holds addresses"),
    Column("events", Integer, comment="how many it told; null until applied"),
    Column("applied_at", DateTime(timezone=True)),
    Column("error", Text, comment="why it could not be read; such a post is kept and looked at by a person"),
    Index("ix_webhook_post_waiting", "post_id", postgresql_where=text("applied_at is null")),
    comment="what providers posted, as it came; bodies hold addresses, are never logged, and retention purges them",
)

event_key = Table(
    "event_key",
    metadata,
    Column("key", Uuid, primary_key=True, comment="a hash of what names an event: its meaning, or the provider's id"),
    Column("event", Uuid, nullable=False, comment="its own meaning: source_key of outcome, event of event_apart"),
    comment="by which names the provider's events are known: told again under either, they are the same event",
)

event_apart = Table(
    "event_apart",
    metadata,
    Column("event", Uuid, primary_key=True),
    Column("why", Text, nullable=False),
    Column("type", Text, comment="the provider's word, where it is one"),
    Column("kind", Text, comment="ours, where there is one"),
    Column("occurred_at", DateTime(timezone=True)),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("post_id", BigInteger, nullable=False),
    Column("place", Integer, nullable=False, comment="its place in the post, from 0"),
    Column("provider_ref", Text, comment="the provider's id of the message, which begins with ours of it"),
    Column("mark", LargeBinary, comment="keyed hash of the address, as in suppression"),
    Column("withdraws", Boolean, nullable=False, comment="its customer says no to further mails"),
    one_of("why", Apart),
    Index("ix_event_apart_recorded_at", "recorded_at"),
    comment="events that belong to no message of the ledger, or say what nobody knows yet",
)

mail_day = Table(
    "mail_day",
    metadata,
    Column("day", Date, primary_key=True),
    Column("mails", Integer, nullable=False),
    comment="e-mails that have left on a day of the shop, or may have; only where it sets a limit",
)

erasure = Table(
    "erasure",
    metadata,
    Column("customer_id", Text, primary_key=True, comment="the tombstone: a number that names nobody any more"),
    Column("rule", Text, nullable=False, comment="asked: by the person; else the rule of retention"),
    Column("reason", Text, nullable=False),
    Column("ordered_by", Text, nullable=False),
    Column("ordered_at", DateTime(timezone=True), nullable=False),
    Column("done", ARRAY(Text), nullable=False, server_default="{}", comment="steps that are behind it"),
    Column("provider", Text, comment="what became of the provider's copy: taken, skipped, none; null: still to ask"),
    Column("finished_at", DateTime(timezone=True), comment="null: run it again"),
    CheckConstraint("rule in ('asked', 'customer', 'prospect')", name="rule"),
    CheckConstraint("provider in ('taken', 'skipped', 'none')", name="provider"),
    Index("ix_erasure_open", "customer_id", postgresql_where=text("finished_at is null")),
    comment="who is erased, by whose word, and how far it has come; it holds nothing of the person",
)

lot = Table(
    "lot",
    metadata,
    Column("lot_id", Text, primary_key=True, comment="LOT-campaign-date-number: the name of its folder"),
    Column("run_id", Text, nullable=False),
    Column("number", SmallInteger, nullable=False, comment="the shard's; reprints go on behind the last one"),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("reason", Text, comment="of a reprint: why"),
    Column("made_by", Text, comment="of a reprint: who asked for it"),
    Column("pdf_sha256", Text, comment="as it lies here: pages of people who were erased are empty"),
    Column("handed_over_at", DateTime(timezone=True), comment="null: a reprint that is not finished"),
    Column("handed_over_to", Text, comment="the folder's or the service's address"),
    Column("provider_id", Text, comment="the letter service's name for it"),
    UniqueConstraint("run_id", "number"),
    comment="what the print shop got: a PDF with its manifest",
)

lot_letter = Table(
    "lot_letter",
    metadata,
    Column("lot_id", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, comment="1..n in the lot, printed on its sheets"),
    Column("message_id", Uuid, nullable=False),
    Column("first_page", Integer, comment="from 1; null: not printed yet"),
    Column("pages", SmallInteger),
    Column("letter_mark", LargeBinary, comment="of the address that was printed: a keyed hash, as in suppression"),
    UniqueConstraint("lot_id", "message_id"),
    Index("ix_lot_letter_message_id", "message_id"),
    comment="which letter stands where in which lot; a letter printed again stands in two",
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", BigInteger, Identity(), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("said_by", Text, nullable=False, comment="who was logged in"),
    Column("what", Text, nullable=False),
    Column("customer_id", Text),
    Column("subject", Text, comment="a list, a run, a file: a word of ours, never what somebody typed"),
    Column("people", Integer, comment="how many people's data went out"),
    one_of("what", Audited),
    Index("ix_audit_customer_id", "customer_id"),
    Index("ix_audit_at", text("at DESC NULLS LAST"), "audit_id"),
    comment="who saw, took out or had forgotten whose data; append-only",
)

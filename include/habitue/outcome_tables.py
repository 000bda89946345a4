"""What is counted of runs and of the base over time: funnels, credits, responses, figures."""

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
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from habitue.kinds import Channel, CreditRule, Segment, Span
from habitue.schema import metadata, one_of

FUNNEL = (
    *("held_out", "excluded", "planned", "waiting", "in_hand", "cancelled", "refused", "unknown", "accepted"),
    *("no_news", "failed", "arrived", "opened", "clicked", "objected"),
)
"""What is counted of a run's groups, channels and arms."""

credit = Table(
    "credit",
    metadata,
    Column("credit_id", BigInteger, Identity(), primary_key=True),
    Column("message_id", Uuid, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False, comment="who bought: not always whom the message was for"),
    Column("order_id", Text, nullable=False),
    Column("ordered_on", Date, nullable=False),
    Column("rule", Text, nullable=False),
    Column("rules_version", Text, nullable=False),
    Column("orders", SmallInteger, nullable=False, comment="1 credited, 0 its amounts change, -1 taken back"),
    Column("sold_cents", BigInteger, nullable=False, comment="the change in what was paid for goods"),
    Column("returned_cents", BigInteger, nullable=False, comment="the change in what was paid back, above 0"),
    Column("snapshot_id", Text, nullable=False, comment="the customer base that told it"),
    Column("known_at", DateTime(timezone=True), nullable=False),
    one_of("rule", CreditRule),
    CheckConstraint("orders between -1 and 1", name="orders"),
    Index("ix_credit_run_id", "run_id"),
    Index("ix_credit_order_id", "order_id"),
    comment="purchases credited to messages, a book of changes: append-only, sums count, see `credits`",
)

response = Table(
    "response",
    metadata,
    Column("response_id", BigInteger, Identity(), primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("snapshot_id", Text, nullable=False, comment="the customer base that told it"),
    Column("known_at", DateTime(timezone=True), nullable=False),
    Column("until", Date, nullable=False, comment="the last day of orders in it, at most the window's"),
    Column("closed", Boolean, nullable=False, comment="the whole window is in it"),
    Column("treated", Boolean, nullable=False, comment="planned to be written to; false: held out"),
    Column("scope", Text, comment="of those held out: campaign, or shop"),
    Column("segment", Text, nullable=False),
    Column("channel", Text, nullable=False, comment="planned, or that would have been used"),
    Column("arm", Text, comment="of an A/B test; null for those held out"),
    Column("customers", Integer, nullable=False),
    Column("buyers", Integer, nullable=False),
    Column("orders", Integer, nullable=False),
    Column("sold_cents", BigInteger, nullable=False, comment="what was paid for goods within the window"),
    Column("returned_cents", BigInteger, nullable=False, comment="of it, what was paid back since, above 0"),
    Column("squares", Numeric, nullable=False, comment="sum over customers of (sold - returned)², in cents²"),
    Column("margin_cents", BigInteger, comment="the shop's gross margin of it; null: the shop says none"),
    one_of("segment", Segment),
    one_of("channel", Channel),
    CheckConstraint("scope in ('campaign', 'shop')", name="scope"),
    UniqueConstraint(
        *("run_id", "snapshot_id", "known_at", "treated", "scope", "segment", "channel", "arm"),
        name="uq_response_figure",
        postgresql_nulls_not_distinct=True,
    ),
    comment="what everyone of a run bought in its window, written to or held out, whatever arrived; append-only",
)

year_period = Table(
    "year_period",
    metadata,
    Column("period_id", Integer, Identity(), primary_key=True),
    Column("year", SmallInteger, nullable=False),
    Column("seed", Text, nullable=False),
    Column("share", Float, nullable=False),
    Column("starts", Date, nullable=False, comment="the day of the first run that was planned with this draw"),
    Column("snapshot_id", Text, nullable=False, comment="the customer base of that run"),
    Column("decided_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("year", "seed", "share"),
    comment="the shop's holdout of a year, as it was drawn",
)

year_side = Table(
    "year_side",
    metadata,
    Column("period_id", Integer, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("held", Boolean, nullable=False, comment="held out of everything; false: could be written to"),
    comment="who could be written to when the period began, and on which side of the draw; written once",
)

year_response = Table(
    "year_response",
    metadata,
    Column("period_id", Integer, primary_key=True),
    Column("snapshot_id", Text, primary_key=True, comment="the customer base that told it"),
    Column("held", Boolean, primary_key=True),
    Column("known_at", DateTime(timezone=True), nullable=False),
    Column("until", Date, nullable=False, comment="the last day of orders in it, at most the year's"),
    Column("closed", Boolean, nullable=False, comment="the whole year is in it"),
    Column("customers", Integer, nullable=False),
    Column("buyers", Integer, nullable=False),
    Column("orders", Integer, nullable=False),
    Column("orders_squares", BigInteger, nullable=False, comment="sum over customers of orders²"),
    Column("sold_cents", BigInteger, nullable=False, comment="what was paid for goods within the period"),
    Column("returned_cents", BigInteger, nullable=False, comment="of it, what was paid back since, above 0"),
    Column("squares", Numeric, nullable=False, comment="sum over customers of (sold - returned)², in cents²"),
    Column("spent_micros", BigInteger, nullable=False, comment="on messages to this side that have left"),
    Column("gross", Float, comment="the shop's gross margin; null: it says none"),
    comment="what each side of the shop's holdout bought, as each customer base told it; append-only",
)

dag_run = Table(
    "dag_run",
    metadata,
    Column("dag_id", Text, primary_key=True),
    Column("dag_run_id", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False, comment="when its plan was asked for"),
    Index("ix_dag_run_run_id", "run_id"),
    comment="which of Airflow's DAG runs worked on which run: links lead both ways",
)

funnel = Table(
    "funnel",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("segment", Text, primary_key=True),
    Column("channel", Text, primary_key=True, comment="empty: left out, whatever the channel"),
    Column("arm", Text, primary_key=True, comment="empty: no test, left out, or held out"),
    *(Column(name, Integer, nullable=False) for name in FUNNEL),
    Column("cost_micros", BigInteger, nullable=False),
    Column("spent_micros", BigInteger, nullable=False),
    Column("counted_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("planned = waiting + in_hand + cancelled + refused + unknown + accepted", name="planned_adds_up"),
    CheckConstraint("accepted = no_news + failed + arrived", name="accepted_adds_up"),
    comment="how far each run has come, as it was counted last",
)

outcome_part = Table(
    "outcome_part",
    metadata,
    Column("name", Text, primary_key=True, comment="measures, budget, losses or run"),
    Column("of", Text, primary_key=True, comment="the run, the year, the quarter"),
    Column("rows", JSONB, nullable=False, comment="what the questions answered: counts and sums only"),
    Column("counted_at", DateTime(timezone=True), nullable=False),
    comment="figures of outcomes as they were counted last: what the pages of a large shop show",
)

figure = Table(
    "figure",
    metadata,
    Column("figure_id", BigInteger, Identity(), primary_key=True),
    Column("name", Text, nullable=False),
    Column("span", Text, nullable=False),
    Column("starts", Date, nullable=False, comment="the day before the period's first one"),
    Column("ends", Date, nullable=False, comment="its last day"),
    Column("part", Text, nullable=False, comment="the group, the tier, the cohort; empty: of all"),
    Column("other", Text, nullable=False, comment="the group moved to, the quarters since"),
    Column("value", BigInteger, nullable=False, comment="customers, visits or cents"),
    Column("of", BigInteger, nullable=False, comment="of how many"),
    Column("rule", Text, nullable=False, comment="figure_rule"),
    Column("snapshot_id", Text, nullable=False, comment="from whose orders it was worked out"),
    Column("told_at", DateTime(timezone=True), nullable=False),
    one_of("span", Span),
    Index("ix_figure_cell", "rule", "name", "span", "ends"),
    comment="figures of the customer base as they were told; append-only, the last row counts and the first is shown",
)

figure_rule = Table(
    "figure_rule",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("means", JSONB, nullable=False, comment="the thresholds, and the hash of the questions asked"),
    Column("since", DateTime(timezone=True), nullable=False),
    comment="the versions of the rules that figures were told by",
)

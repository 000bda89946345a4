"""Everything that holds personal data: each place with how it is told to the person and how it lets go of them.

A test goes through the base's tables and the folder of results, and fails where a column or a file stands neither here
nor among what is free of personal data. Whoever adds one decides here which of the two it is:

    TABLES      a table with a row for a person or for a message: which columns name or describe them and are emptied,
                which stay with the number
    FREE_TABLES a table that says nothing of anybody; staff's names stand where somebody decided something
    HOLDINGS    a place below HABITUE_OUT, as patterns of its files; `*` also stands for folders
    FREE_FILES  a file that says nothing of anybody, or that is not ours to tell and to erase

What stays of a person who is erased is their number, as the key of anonymous rows: without it the counts of past runs,
the sums of sales and the groups would change, and an import would bring them back (docs/decisions.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from habitue import forgetting, persons
from habitue.forgetting import FOLDER, Erasing
from habitue.persons import Person


@dataclass(frozen=True)
class Rows:
    """A table's columns. `by` leads to the person: customer_id, message_id, or `mark` (a keyed hash)."""

    by: str
    emptied: str = ""
    stay: str = ""

    @property
    def columns(self) -> set[str]:
        return {self.by, *self.emptied.split(), *self.stay.split()}


TABLES = {
    "customer": Rows(
        "customer_id",
        emptied="civility first_name last_name birth_date email phone phone_region timezone street address_extra "
        "postcode city country created_on deceased_on household email_mark phone_mark letter_mark person_mark",
        stay="language letter_barrier email_barrier call_barrier snapshot_id gone mark_key",
    ),
    "segment": Rows(
        "customer_id",
        stay="snapshot_id segment recency_days purchase_days orders amount_cents average_basket_cents r f m score tier "
        "first_day last_day lifetime_cents lifetime_days alive worth_cents won_back_cents",
    ),
    # The proof of what was allowed and refused is kept for its period: `retention` takes it away then.
    "consent": Rows(
        "customer_id",
        stay="consent_id channel purpose status basis recorded_at valid_until source wording_version known_at direct",
    ),
    "message": Rows(
        "customer_id",
        stay="message_id run_id channel segment language template arm offer_code cost_micros shard position state "
        "attempt claimed_by lease_until provider_id reason settled_at pages first_page",
    ),
    "exclusion": Rows("customer_id", emptied="value", stay="run_id segment rule"),
    "holdout": Rows("customer_id", stay="run_id segment channel draw scope"),
    "shop_holdout": Rows("customer_id", stay="year draw known_at"),
    "year_side": Rows("customer_id", stay="period_id held"),
    "hold": Rows("customer_id", stay="hold_id reason opened_at opened_by closed_at closed_by"),
    "erasure": Rows("customer_id", stay="rule reason ordered_by ordered_at done provider finished_at"),
    "outcome": Rows("message_id", stay="outcome_id kind occurred_at recorded_at source source_key reason"),
    # A purchase is the shop's own record, under the number: without it the sums of past runs would change.
    "credit": Rows(
        "customer_id",
        stay="credit_id message_id run_id order_id ordered_on rule rules_version orders sold_cents returned_cents "
        "snapshot_id known_at",
    ),
    "lot_letter": Rows("message_id", emptied="letter_mark", stay="lot_id seq first_page pages"),
    "preference": Rows("customer_id", emptied="language", stay="preference_id fewer since"),
    "call_line": Rows(
        "customer_id",
        emptied="law timezone phone_mark favourites",
        stay="message_id run_id rank status reason disposition value_cents opened_at expires_at not_before callback_at "
        "owner assigned_to reserved_by reserved_until attempt_id attempts ended_at",
    ),
    # The mark of the number stays, as that of a suppression does: the law counts attempts, and whoever comes back as
    # another customer must not be rung too often.
    "call_attempt": Rows(
        "customer_id",
        emptied="notes",
        stay="attempt_id message_id run_id phone_mark mark_key agent dialled_at recorded_at ended_at disposition "
        "reason offer_made source source_key band barrier",
    ),
    # As of consent, the proof of an agreed moment is kept for its period (R. 223-2 C. conso).
    "call_slot": Rows("customer_id", stay="slot_id starts_at agreed_at agreed_by attempt_id proof"),
    "complaint": Rows(
        "customer_id",
        emptied="about answer",
        stay="complaint_id message_id attempt_id owner opened_at opened_by due_at closed_at closed_by",
    ),
    "targeted_offer": Rows("customer_id", stay="offer_id message_id attempt_id reason campaign channel queued_at"),
    # Bodies of applied posts that name an address are emptied; by that address is looked for them.
    "webhook_post": Rows("body", stay="post_id received_at source events applied_at error"),
    "event_apart": Rows(
        "mark", stay="event why type kind occurred_at recorded_at post_id place provider_ref withdraws"
    ),
    # The proof of who handled whose data stays with the number.
    "audit": Rows("customer_id", stay="audit_id at said_by what subject people"),
    "suppression": Rows("mark", stay="suppression_id channel reason recorded_at mark_key source lifted_at lifted_by"),
}

FREE_TABLES = {
    "snapshot": "snapshot_id taken_on manifest_sha256 loaded_at gathered_at heard_until tallies_md5",
    "run": "run_id campaign on_date snapshot_id campaign_sha256 template_sha256 package_version seed settings audience "
    "planned held_out excluded planned_at number shop files audience_sha256 content_sha256 cost_micros "
    "approvals_needed deliver_until state state_reason state_by state_at judged_from",
    "shard": "run_id channel shard messages accepted refused unknown cancelled delivered hard_bounces complaints "
    "audience_sha256 content_sha256",
    "approval": "approval_id run_id step decision said_by said_at audience_sha256 content_sha256",
    "lot": "lot_id run_id number made_at reason made_by pdf_sha256 handed_over_at handed_over_to provider_id",
    "response": "response_id run_id snapshot_id known_at until closed treated scope segment channel arm customers "
    "buyers orders sold_cents returned_cents squares margin_cents",
    "year_period": "period_id year seed share starts snapshot_id decided_at",
    "year_response": "period_id snapshot_id held known_at until closed customers buyers orders orders_squares "
    "sold_cents returned_cents squares spent_micros gross",
    "dag_run": "dag_id dag_run_id run_id seen_at",
    "funnel": "run_id segment channel arm held_out excluded planned waiting in_hand cancelled refused unknown accepted "
    "no_news failed arrived opened clicked objected cost_micros spent_micros counted_at",
    "outcome_part": "name of rows counted_at",
    "event_key": "key event",
    "mail_day": "day mails",
    "figure": "figure_id name span starts ends part other value of rule snapshot_id told_at",
    "figure_rule": "rule means since",
    "stop": "stop_id reason said_by said_at lifted_by lifted_at",
    "alembic_version": "version_num",
}


@dataclass(frozen=True)
class Holding:
    """A place. `name` is its key in what is told to a person, and the name of its step in an erasure."""

    name: str
    files: tuple[str, ...]
    export: Callable[[Person], Any]
    erase: Callable[[Erasing], int]


def nothing_of(_: Person) -> None:
    """A place where people can't be told apart, or that repeats what other places tell."""


def nothing_to(_: Erasing) -> int:
    """A place that knows numbers only."""
    return 0


def _by(column: str) -> list[str]:
    return [name for name, rows in TABLES.items() if rows.by == column]


def _base(who: Person) -> Any:
    return persons.base(who, _by("customer_id"), _by("message_id"))


def _empty_base(task: Erasing) -> int:
    return forgetting.base(task, {name: tuple(rows.emptied.split()) for name, rows in TABLES.items() if rows.emptied})


HOLDINGS = (
    Holding("base", (), _base, _empty_base),
    Holding(
        "lake",
        (
            "lake/snapshots/*/customers.parquet",
            "lake/snapshots/*/problems.parquet",
            "lake/snapshots/*/consents.parquet",
            "lake/snapshots/*/segments.parquet",
            "lake/snapshots/*/orders.parquet",
            "lake/orders/*.parquet",
        ),
        persons.lake,
        forgetting.lake,
    ),
    Holding("nights", ("work/*.parquet",), persons.nights, forgetting.nights),
    Holding("quarantine", ("quarantine/*.csv",), persons.quarantine, forgetting.quarantine),
    Holding("letters", ("letters/LOT-*", "runs/*/letters/LOT-*"), persons.letters, forgetting.letters),
    Holding("mails", ("emails/*.eml",), persons.mails, forgetting.mails),
    Holding("calls", ("calls/*.csv", "calls/*.xlsx"), persons.calls, forgetting.calls),
    Holding("facts", ("runs/*/facts.parquet",), persons.facts, nothing_to),
    Holding("responses", ("runs/*/responses.parquet",), persons.responses, nothing_to),
    Holding("journal", ("runs/*/claims/*.log",), persons.journal, nothing_to),
    Holding("samples", ("rehearsals/*.html", "emails/samples/*", "previews/*"), nothing_of, forgetting.samples),
    Holding("dossiers", ("persons/*.json",), nothing_of, forgetting.dossiers),
    Holding(
        "pages",
        ("report.html", "emails/index.html", "emails/previews/*.js"),
        nothing_of,
        forgetting.pages,
    ),
)

FREE_FILES = {
    "lake/.lock": "empty",
    "lake/snapshots/*/manifest.json": "counts and hashes",
    "lake/snapshots/*/validation.json": "counts by rule",
    "lake/snapshots/*/erasures.json": "how many were erased, and when",
    "work/*.json": "counts, and the settings of a night",
    "returns/inbox/done/*": "what became of which letter: ids",
    "returns/inbox/*": "the printer's own files, until they are taken in",
    "summary.json": "counts",
    "reports/*": "figures and sums of a quarter, and to whom of the shop they were sent",
    "validation.html": "counts by rule",
    "site.json": "settings of this machine",
    "secret.key": "a key",
    "up.pid": "a process",
    "persons/*.begun": "since when what is held on a number is being gathered; it goes when that is done",
    f"{FOLDER}/*": "while an erasure is under way; it goes when the last step is done",
    "shop/*": "the demonstration shop's own exports: a shop erases in its own system",
    "postgres/*": "the base, which stands above as tables",
    "airflow/*": "ids and counts: no log and no task tells of a customer",
}


def place_of(name: str) -> str | None:
    """Where a file below HABITUE_OUT stands here: its holding's name, or what FREE_FILES says; None: nowhere."""
    for holding in HOLDINGS:
        if any(fnmatch(name, pattern) for pattern in holding.files):
            return holding.name
    return next((why for pattern, why in FREE_FILES.items() if fnmatch(name, pattern)), None)

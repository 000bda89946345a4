"""The ledger's moves: claim, settle, expire, resolve, doubt. Each is one commit.

planned ──claim──→ claimed ──settle──→ accepted | refused | unknown
   ↑                  │ settle: never handed over → planned        ↑ resolve: an event, a late answer, a person
   └──────────────────┘ expire: lease ran out → unknown (at_least_once: planned)
planned ──claim, cancel──→ cancelled
accepted ──a call list ends before anybody rang──→ cancelled (calls/cancel.sql)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, func, select, text, update

from habitue import allowances, call_windows
from habitue.allowances import Allowance
from habitue.decisions import end_of_day, years_before
from habitue.errors import LedgerError
from habitue.limits import Cap
from habitue.plans import Shard
from habitue.shop import Shop
from habitue.statements import statement
from habitue.tables import Channel, OutcomeKind, RunState, State, message, run
from habitue.tables import shard as parts

LEASE = timedelta(minutes=10)
"""How long a worker may hold a claim before its messages count as in doubt."""

NEVER_LEFT = frozenset({OutcomeKind.DROPPED, OutcomeKind.SPOILED, OutcomeKind.NOT_MAILED, OutcomeKind.RELEASED})
"""What says that nothing reached anybody; every other event is of a message that had left."""

MOST_ATTEMPTS = 3
"""How often a campaign that says `at_least_once` tries a message whose worker died."""


STOP_LOCK = "habitue.stop"
"""The name of the lock that each claim shares and the kill switch takes whole."""


OUTCOMES_LOCK = "habitue.outcomes"
"""The name of the lock of whoever records events, puts messages in doubt or moves those of many shards: each then sees
what the other did, no two count the same event, and none waits for a tally while holding another's."""


def run_lock(run_id: str) -> str:
    """The name of the lock that each claim of the run shares, and whoever moves the run takes whole."""
    return f"habitue.run/{run_id}"


def lock(connection: Connection, name: str, *, shared: bool = False) -> None:
    """Holds the lock of that name until the transaction's end, as soon as nobody else does (or all share it)."""
    how = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    connection.execute(text(f"select {how}(hashtext(:name))"), {"name": name})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one claimed message. `state` PLANNED: it certainly never left."""

    message_id: UUID
    state: State
    provider_id: str | None = None
    reason: str | None = None
    pages: int | None = None
    first_page: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Messages that this worker, and no other, may let go now; how many were cancelled when asked again; and why none
    may leave now (`stopped`, `paused`, `cancelled`, `unapproved`, `late`, `used_up`), with what was said about it."""

    messages: frozenset[UUID]
    cancelled: int = 0
    last: int = 0
    """the last place in the shard that was looked at: go on behind it"""
    crowded: bool = False
    """runs planned later may have used up what this one's caps leave"""
    shut: str | None = None
    reason: str | None = None
    counted: Allowance | None = None
    """the allowance that they were taken from"""

    def __bool__(self) -> bool:
        return bool(self.messages or self.cancelled)


def gate(connection: Connection, run_id: str, *, at: datetime, longest_cap: int = 0) -> Claim:
    """Whether the run's messages may leave at this moment: an empty claim whose `shut` says why not.

    1. Kill switch and run are locked for sharing: who stops or pauses waits for the claims under way, and none is
       committed afterwards. Claims queue behind whoever waits, so that he is not kept waiting by ever more of them.
    2. Only then is it asked, by a statement of its own: one that had waited for the lock would not see the answer.
    """
    lock(connection, STOP_LOCK, shared=True)
    lock(connection, run_lock(run_id), shared=True)
    row = connection.execute(
        statement("ledger/gate"), {"run_id": run_id, "at": at, "longest_cap": longest_cap}
    ).one_or_none()
    if row is None:
        raise LedgerError(f"run {run_id} is not planned: run the task `plan` first")
    return Claim(frozenset(), crowded=row.crowded, shut=row.shut, reason=row.reason if row.shut else None)


def by_key(connection: Connection) -> None:
    """Every row of this transaction is looked up by its key. PostgreSQL takes the few rows that one worker holds for so
    few that it would read the whole ledger for each."""
    connection.execute(text("set local enable_seqscan = off"))


def claim(
    engine: Engine,
    shard: Shard,
    *,
    worker: str,
    on: date,
    at: datetime,
    shop: Shop,
    caps: Mapping[str, Cap],
    most: int,
    again: bool = False,
    after: int = 0,
    allowance: Allowance | None = None,
) -> Claim:
    """Claims up to `most` messages of the shard, in order, behind the place `after`; committed when it returns.

    1. The kill switch, the run's state, its approvals and its send window are asked, all of them locked for sharing.
    2. Holds, consent, suppression, reachability and caps are asked again; who has said no since the plan is cancelled.
    3. `again` also takes what another worker claimed and did not settle: only for channels where making the same
       thing twice makes it once (a letter's file, a call row, a mail in the outbox).
    4. Of an `allowance` no more is taken than is left of it, over all runs (see `allowances`).
    """
    cap, cap_any, cap_fewer = caps[shard.channel], caps["any"], caps["fewer"]
    with engine.begin() as connection:
        asked = gate(connection, shard.run_id, at=at, longest_cap=max(cap.days, cap_any.days))
        if asked.shut:
            return asked
        if allowance is not None:
            most = min(most, allowances.take(connection, allowance))
        by_key(connection)
        if not most:
            return Claim(frozenset(), last=after, shut="used_up" if _waits(connection, shard, worker) else None)
        rows = connection.execute(
            statement("ledger/claim"),
            {
                "run_id": shard.run_id,
                "run_day": shard.on,
                "channel": shard.channel,
                "shard": shard.number,
                "worker": worker,
                "on": on,
                "at": at,
                "zone": shop.timezone,
                "end_of_day": end_of_day(on, shop),
                "adult_since": years_before(on, shop.validation.minor_age),
                "consent_days": shop.calls.consent_days,
                "most_messages": cap.most,
                "within_days": cap.days,
                "most_any": cap_any.most,
                "within_any": cap_any.days,
                "most_fewer": cap_fewer.most,
                "within_fewer": cap_fewer.days,
                "lease_until": at + LEASE,
                "most": most,
                "again": again,
                "after": after,
                "crowded": asked.crowded,
            },
        ).all()
        taken = frozenset(row.message_id for row in rows if row.state == State.CLAIMED)
        if shard.channel is Channel.CALL and taken:
            taken -= _unlawful(connection, shard, worker, on=on, at=at, shop=shop)
        if allowance is not None:
            allowances.add(connection, allowance.day, len(taken))
    last = max((row.position for row in rows), default=after)
    return Claim(taken, len(rows) - len(taken), last=last, counted=allowance)


def _unlawful(
    connection: Connection, shard: Shard, worker: str, *, on: date, at: datetime, shop: Shop
) -> frozenset[UUID]:
    """Calls just claimed that the law allows at no moment until the run's end: they are cancelled."""
    named = {"run_id": shard.run_id, "shard": shard.number, "worker": worker}
    connection.execute(
        text(
            "create temp table to_ring as select distinct customer_id from message where run_id = :run_id "
            "and channel = 'call' and shard = :shard and state = 'claimed' and claimed_by = :worker"
        ),
        named,
    )
    until = connection.execute(select(run.c.deliver_until).where(run.c.run_id == shard.run_id)).scalar_one()
    with call_windows.unlawful(connection, since=at, until=until, before=end_of_day(on, shop), at=at, shop=shop):
        return frozenset(connection.scalars(statement("ledger/unlawful"), {**named, "at": at}))


def _waits(connection: Connection, shard: Shard, worker: str) -> bool:
    """Whether anything of the shard is still to leave by this worker."""
    planned = select(message.c.message_id).where(
        message.c.run_id == shard.run_id,
        message.c.channel == shard.channel,
        message.c.shard == shard.number,
        message.c.state == State.PLANNED,
        message.c.claimed_by.is_distinct_from(worker),
    )
    return connection.execute(planned.limit(1)).first() is not None


def settle(
    engine: Engine, outcomes: Sequence[Outcome], *, worker: str | None, at: datetime, counted: Allowance | None = None
) -> int:
    """Writes what came of claimed messages; returns how many rows it was news for.

    An answer that came after the lease ran out still counts: its message is no longer in doubt. `worker` None: whoever
    held them, as where a lot lies in the print shop whose worker died. `counted`: the allowance that they were claimed
    from; it is given back what did not leave.
    """
    if not outcomes:
        return 0
    doubtful = [one.message_id for one in outcomes if one.state is State.UNKNOWN]
    back = [one.message_id for one in outcomes if one.state is State.PLANNED]
    with engine.begin() as connection, _putting_back(connection, _runs_of(connection, back), at=at):
        if doubtful:
            lock(connection, OUTCOMES_LOCK)
        by_key(connection)
        settled = connection.execute(
            statement("ledger/settle"),
            {
                "ids": [outcome.message_id for outcome in outcomes],
                "states": [outcome.state.value for outcome in outcomes],
                "provider_ids": [outcome.provider_id for outcome in outcomes],
                "reasons": [outcome.reason for outcome in outcomes],
                "pages": [outcome.pages for outcome in outcomes],
                "first_pages": [outcome.first_page for outcome in outcomes],
                "worker": worker,
                "at": at,
            },
        ).one()
        if counted is not None:
            allowances.add(connection, counted.day, -settled.not_left)
        late = [one for one in outcomes if one.state is not State.UNKNOWN] if settled.messages < len(outcomes) else []
        known = {one.message_id: (one.state, one.reason) for one in late}
        news = int(settled.messages) + len(_resolve(connection, known, at=at, worker=worker))
        heard(connection, doubtful, at=at)
        return news


def resolve(engine: Engine, known: Mapping[UUID, tuple[State, str | None]], *, at: datetime) -> dict[UUID, State]:
    """What is now known of messages that were in doubt; returns those that it was news for."""
    back = [message_id for message_id, (state, _) in known.items() if state is State.PLANNED]
    with engine.begin() as connection, _putting_back(connection, _runs_of(connection, back), at=at):
        by_key(connection)
        return _resolve(connection, known, at=at, worker=None)


def _runs_of(connection: Connection, messages: Sequence[UUID]) -> Sequence[str]:
    named = select(message.c.run_id).where(message.c.message_id.in_(messages)).distinct()
    return connection.scalars(named.order_by(message.c.run_id)).all() if messages else []


@contextmanager
def _putting_back(connection: Connection, runs: Sequence[str], *, at: datetime) -> Iterator[None]:
    """What is planned again of a run that somebody has ended meanwhile is cancelled like the rest of it."""
    for run_id in runs:
        lock(connection, run_lock(run_id), shared=True)
    yield
    for run_id in runs:
        if connection.scalar(select(run.c.state).where(run.c.run_id == run_id)) == RunState.CANCELLED:
            connection.execute(statement("ledger/cancel"), {"run_id": run_id, "at": at})


def _resolve(
    connection: Connection, known: Mapping[UUID, tuple[State, str | None]], *, at: datetime, worker: str | None
) -> dict[UUID, State]:
    if not known:
        return {}
    rows = connection.execute(
        statement("ledger/resolve"),
        {
            "ids": list(known),
            "states": [state.value for state, _ in known.values()],
            "reasons": [reason for _, reason in known.values()],
            "worker": worker,
            "at": at,
        },
    )
    return {row.message_id: State(row.state) for row in rows}


def expire(engine: Engine, shard: Shard, *, at: datetime, again: bool = False) -> int:
    """Claims of dead workers become `unknown`, but for those of which an event has spoken; returns how many.

    `again`: for a campaign that says `at_least_once`, they are planned anew instead, MOST_ATTEMPTS times in all.
    """
    runs = [shard.run_id] if again else []
    with engine.begin() as connection, _putting_back(connection, runs, at=at):
        return expire_claims(connection, shard.run_id, shard.channel, at=at, again=again)[State.UNKNOWN]


def try_again(engine: Engine, shard: Shard, *, at: datetime) -> int:
    """For a campaign that says `at_least_once`: what is in doubt is planned anew, MOST_ATTEMPTS times in all, unless an
    event has spoken of it; returns how many."""
    with engine.begin() as connection, _putting_back(connection, [shard.run_id], at=at):
        lock(connection, OUTCOMES_LOCK)
        by_key(connection)
        named = {"run_id": shard.run_id, "channel": shard.channel, "shard": shard.number}
        found = connection.execute(statement("ledger/try_again"), {**named, "most_attempts": MOST_ATTEMPTS})
        return int(found.scalar_one())


def expire_claims(
    connection: Connection, run_id: str, channel: Channel, *, at: datetime, again: bool
) -> dict[State, int]:
    """The same in a transaction: how many are `unknown` now, and how many `planned`."""
    lock(connection, OUTCOMES_LOCK)
    rules = {"again": again, "most_attempts": MOST_ATTEMPTS}
    named = {"run_id": run_id, "channel": channel, "at": at}
    moved = connection.execute(statement("ledger/expire"), {**named, **rules}).all()
    unknown = [row.message_id for row in moved if row.state == State.UNKNOWN]
    return {
        State.UNKNOWN: len(unknown) - heard(connection, unknown, at=at),
        State.PLANNED: len(moved) - len(unknown),
    }


def held_until(engine: Engine, shard: Shard) -> datetime | None:
    """When the last claim of the shard runs out that nobody has settled; None where there is none."""
    claimed = select(func.max(message.c.lease_until)).where(
        message.c.run_id == shard.run_id,
        message.c.channel == shard.channel,
        message.c.shard == shard.number,
        message.c.state == State.CLAIMED,
    )
    with engine.connect() as connection:
        until: datetime | None = connection.scalar(claimed)
    return until


def doubt(engine: Engine, claims: Mapping[UUID, int], *, at: datetime) -> int:
    """Messages claimed more often than the database knows become `unknown`; returns how many. `claims` is what the
    journal beside the database says (see `journal`)."""
    if not claims:
        return 0
    with engine.begin() as connection:
        told = {"ids": list(claims), "claims": list(claims.values()), "at": at}
        lock(connection, OUTCOMES_LOCK)
        by_key(connection)
        unknown = connection.scalars(statement("ledger/doubt"), told).all()
        if unknown:
            allowances.count_anew(connection)
        return len(unknown) - heard(connection, unknown, at=at)


def heard(connection: Connection, messages: Sequence[UUID], *, at: datetime) -> int:
    """Settles those of these messages in doubt of which an event has spoken, whenever that was; returns how many."""
    if not messages:
        return 0
    told = {"ids": list(messages), "never_left": sorted(NEVER_LEFT), "at": at}
    return len(connection.execute(statement("ledger/heard"), told).all())


def keep_content(engine: Engine, shard: Shard, digest: str, messages: int) -> None:
    """Keeps the hash of what a shard was rendered to, once, where it is that of all its messages."""
    with engine.begin() as connection:
        connection.execute(
            update(parts)
            .where(
                parts.c.run_id == shard.run_id,
                parts.c.channel == shard.channel,
                parts.c.shard == shard.number,
                parts.c.messages == messages,
                parts.c.content_sha256.is_(None),
            )
            .values(content_sha256=digest)
        )


def tallies(connection: Connection, run_id: str, channel: Channel | None = None) -> dict[str, int]:
    """How the run has fared so far, by one channel or by all: messages, accepted, refused, unknown, cancelled,
    delivered, hard_bounces, complaints."""
    named = {"run_id": run_id, "channel": channel}
    return dict(connection.execute(statement("ledger/tallies"), named).mappings().one())

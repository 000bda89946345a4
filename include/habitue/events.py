"""What mail providers post: kept as it came, applied afterwards, in batches, all of a batch or nothing.

    store   the web app keeps a post, and only then says that it has it
    apply   1. takes posts that nobody else holds, and reads them
            2. tells what is new: an event is known by its meaning and by the provider's id, and told again under
               either it is the same (ids change on redelivery, or are missing)
            3. keeps it as an outcome of its message, or apart where there is none
            4. suppresses addresses, writes down who said no, settles doubts, lets the circuit breaker judge
    match   finds the message of an event that came without our id, by the provider's

The order of posts, and how often each comes, make no difference to what is known in the end.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from threading import Event as Signal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from habitue import ledger, outcomes, suppressions
from habitue.limits import Breaker
from habitue.outcomes import Event
from habitue.sendgrid_events import Told, Unreadable, read
from habitue.statements import statement
from habitue.suppressions import MarkKey
from habitue.tables import Apart, Channel, OutcomeKind

if TYPE_CHECKING:
    from habitue.house import House

SOURCE = "sendgrid"
MOST = 500
"""Posts a batch."""
MOST_BYTES = 4_000_000
"""Of posts a batch, some eight thousand events: what one transaction holds in memory."""
PAUSE = 0.5
"""Seconds between two looks at an empty table; an unsubscribe is obeyed that soon."""
MATCH_EVERY = 120
"""Looks. Matching reads the ledger from end to end."""
MATCH_WITHIN = timedelta(days=1)
"""A provider's id that the ledger has not learned a day after its event will not be learned."""
AGAINST = (
    OutcomeKind.HARD_BOUNCE,
    OutcomeKind.BLOCKED,
    OutcomeKind.DROPPED,
    OutcomeKind.COMPLAINT,
    OutcomeKind.UNSUBSCRIBED,
)
"""What stands beside how far a message got."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Applied:
    """Counts of what was applied: events = new + repeated + apart."""

    posts: int = 0
    unreadable: int = 0
    """posts that are no list of events"""
    events: int = 0
    new: int = 0
    repeated: int = 0
    apart: int = 0
    """events that belong to no message, told for the first time"""
    suppressed: int = 0
    settled: int = 0
    accounts: int = 0
    """of those apart, about the shop's account at the provider"""
    paused: dict[str, str] = field(default_factory=dict)
    """runs that the circuit breaker paused, and why"""

    def add(self, more: Applied) -> None:
        for one in fields(self):
            mine, theirs = getattr(self, one.name), getattr(more, one.name)
            setattr(self, one.name, mine | theirs if one.name == "paused" else mine + theirs)

    def __str__(self) -> str:
        return (
            f"{self.posts} posts ({self.unreadable} unreadable), {self.events} events = {self.new} new + "
            f"{self.repeated} told before + {self.apart} kept apart; {self.suppressed} addresses suppressed, "
            f"{self.settled} messages settled"
        )


def store(engine: Engine, posts: Sequence[tuple[datetime, bytes]]) -> None:
    """Keeps posts, each with the moment that it came; committed when it returns."""
    moments, bodies = zip(*posts, strict=True)
    with engine.begin() as connection:
        connection.execute(statement("events/store"), {"moments": list(moments), "bodies": list(bodies)})


def apply(engine: Engine, *, key: MarkKey, rules: Breaker, at: datetime, most: int = MOST) -> Applied:
    """Applies up to `most` posts that wait; several may do so at once, and none is applied twice.

    A post that the base refuses, whatever the reason, must not keep the others waiting: then each is applied by itself,
    and that one is set aside as unreadable.
    """
    try:
        with engine.begin() as connection:
            done, runs = _apply_posts(connection, _waiting(connection, most=most), key, at)
    except (OperationalError, InterfaceError):  # the server, not the post
        raise
    except Exception as error:
        log.warning("a batch of events could not be applied (%s): one post at a time", type(error).__name__)
        done, runs = _apply_each(engine, key, at, most=most)
    done.paused = outcomes.judged(engine, runs, rules=rules, at=at)
    if done.accounts:
        log.warning("SendGrid told of the state of your account: habitue events list --why account")
    return done


def _apply_each(engine: Engine, key: MarkKey, at: datetime, *, most: int) -> tuple[Applied, frozenset[str]]:
    done, runs, after = Applied(), frozenset[str](), 0
    for _ in range(most):
        with engine.begin() as connection:
            posts = _waiting(connection, most=1, after=after)
            if not posts:
                break
            try:
                with connection.begin_nested():
                    one, judge = _apply_posts(connection, posts, key, at)
            except (OperationalError, InterfaceError):
                raise
            except Exception as error:
                why = f"could not be applied: {type(error).__name__}"
                _written(connection, dict.fromkeys(posts, (0, why)), at)
                one, judge = Applied(posts=1, unreadable=1), frozenset()
        after = max(posts)
        done.add(one)
        runs |= judge
    return done, runs


def _waiting(connection: Connection, *, most: int, after: int = 0) -> dict[int, bytes]:
    limits = {"most": most, "bytes": MOST_BYTES, "after": after}
    return {row.post_id: row.body for row in connection.execute(statement("events/waiting"), limits)}


def _written(connection: Connection, found: Mapping[int, tuple[int, str | None]], at: datetime) -> None:
    numbers, errors = [events for events, _ in found.values()], [error for _, error in found.values()]
    connection.execute(statement("events/applied"), {"ids": list(found), "events": numbers, "errors": errors, "at": at})


def _apply_posts(
    connection: Connection, posts: Mapping[int, bytes], key: MarkKey, at: datetime
) -> tuple[Applied, frozenset[str]]:
    """What came of these posts, and the runs to be judged when that is committed."""
    found: dict[int, tuple[int, str | None]] = {}
    told: list[tuple[int, Told]] = []
    for number, body in posts.items():
        try:
            events = read(body, key)
        except Unreadable as error:
            found[number] = (0, str(error))
        else:
            found[number] = (len(events), None)
            told += [(number, event) for event in events]
    done = Applied(posts=len(found), unreadable=sum(error is not None for _, error in found.values()))
    runs = _apply_events(connection, told, done, key=key, at=at) if told else frozenset[str]()
    if found:
        _written(connection, found, at)
    return done, runs


def _apply_events(
    connection: Connection, told: Sequence[tuple[int, Told]], done: Applied, *, key: MarkKey, at: datetime
) -> frozenset[str]:
    ledger.lock(connection, ledger.OUTCOMES_LOCK)
    ids = list({event.message_id for _, event in told if event.message_id and not event.apart})
    ours = set(connection.scalars(statement("events/ours"), {"ids": ids})) if ids else set()
    found = _sorted_out(connection, told, ours)
    events, apart = [], []
    for number, event in found.new:
        if event.message_id and event.message_id in ours and event.kind and event.occurred_at:
            events.append(Event(event.message_id, event.kind, event.occurred_at, SOURCE, str(event.meaning)))
        else:
            apart.append((number, event))
    runs: frozenset[str] = frozenset()
    if events:
        kept = outcomes.keep(connection, events, at=at)
        done.settled, runs = kept.settled, kept.runs
    _set_apart(connection, apart, at)
    found.write(connection)
    marked = [(Channel.EMAIL, one.mark, one.suppresses, SOURCE) for one in found.first if one.mark and one.suppresses]
    done.suppressed = suppressions.put(connection, marked, key=key, at=at)
    said = {(e.message_id, e.occurred_at) for _, e in told if e.withdraws and e.message_id and e.occurred_at}
    withdraws(connection, said, at=at)
    done.events = len(told)
    done.new = sum(one.message_id in ours and not one.apart for one in found.first)
    done.apart = len(found.first) - done.new
    done.accounts = sum(one.apart is Apart.ACCOUNT for one in found.first)
    done.repeated = done.events - len(found.first)
    return runs


def withdraws(connection: Connection, said: Iterable[tuple[UUID, datetime]], *, at: datetime) -> None:
    """Writes down that the customers of these messages said no to further mails, and when: in consent, which the plan
    and every claim ask, whatever address an import gives them next."""
    if rows := sorted(said):
        ids, moments = zip(*rows, strict=True)
        connection.execute(statement("events/withdraw"), {"ids": list(ids), "moments": list(moments), "at": at})


@dataclass
class _Sorted:
    """Which of a batch's events are what."""

    new: list[tuple[int, Told]] = field(default_factory=list)
    """to be written, each in the telling that counts"""
    first: list[Told] = field(default_factory=list)
    """those of them that were never told before under any name"""
    names: dict[UUID, UUID] = field(default_factory=dict)
    joined: dict[UUID, UUID] = field(default_factory=dict)
    """what was taken for an event of its own, and which it is"""

    def write(self, connection: Connection) -> None:
        if self.joined:
            told = {"gone": list(self.joined), "stays": list(self.joined.values())}
            connection.execute(statement("events/join_up"), told)
        if self.names:
            told = {"names": list(self.names), "events": list(self.names.values())}
            connection.execute(statement("events/name"), told)


class _Names:
    """Names that turn out to be of one event: each leads, step by step, to one of them that stands for all."""

    def __init__(self) -> None:
        self._above: dict[UUID, UUID] = {}

    def lead(self, name: UUID) -> UUID:
        above = self._above
        while (next_one := above.setdefault(name, name)) != name:
            above[name] = name = above[next_one]
        return name

    def join(self, one: UUID, other: UUID) -> None:
        self._above[self.lead(one)] = self.lead(other)

    def groups(self) -> dict[UUID, list[UUID]]:
        found: dict[UUID, list[UUID]] = defaultdict(list)
        for name in self._above:
            found[self.lead(name)].append(name)
        return found


def _sorted_out(connection: Connection, told: Sequence[tuple[int, Told]], ours: set[UUID]) -> _Sorted:
    """Tells new events from those told before.

    Two tellings are of one event where they share a name, or where others join them: told under an id and a meaning,
    then under the id with another meaning, then … An event is written in the telling that sorts first. Should a later
    post show that two events are one, the other is taken back: so the order of posts makes no difference.
    """
    known = _known(connection, {name for _, event in told for name in event.names})
    names = _Names()
    for _, event in told:
        for name in event.names:
            names.join(name, event.meaning)
    for name, event_of in known.items():
        names.join(name, event_of)
    tellings: dict[UUID, list[tuple[int, Told]]] = defaultdict(list)
    for number, one in told:
        tellings[names.lead(one.meaning)].append((number, one))
    groups, found = names.groups(), _Sorted()
    for head, many in tellings.items():
        before = {name for name in groups[head] if known.get(name) == name}
        number, first = min(many, key=lambda one: (one[1].meaning, one[0], one[1].place))
        stays = min(before, default=first.meaning)
        if not before:
            found.first.append(first)
        elif first.meaning < stays and first.message_id in ours:
            stays = first.meaning
        if stays not in before:
            found.new.append((number, first))
        found.joined.update({gone: stays for gone in before if gone != stays})
        found.names.update({name: stays for name in groups[head] if known.get(name) != stays})
    return found


def _known(connection: Connection, names: set[UUID]) -> dict[UUID, UUID]:
    """Which events are known by these names; an event is a name itself, and may have turned out to be another."""
    known: dict[UUID, UUID] = {}
    while names:
        rows = connection.execute(statement("events/known"), {"names": list(names)})
        known.update({row.key: row.event for row in rows})
        names = set(known.values()) - known.keys()
    return known


def _set_apart(connection: Connection, apart: Sequence[tuple[int, Told]], at: datetime) -> None:
    if not apart:
        return
    rows = [
        (
            *(event.meaning, (event.apart or Apart.UNKNOWN_MESSAGE).value, event.type),
            *(event.kind.value if event.kind else None, event.occurred_at, number, event.place),
            *(event.provider_ref, event.mark, event.withdraws),
        )
        for number, event in apart
    ]
    columns = (*("events", "whys", "types", "kinds", "moments", "posts", "places", "refs", "marks", "withdrawals"),)
    told = {name: list(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}
    connection.execute(statement("events/set_apart"), {**told, "at": at})


def match(engine: Engine, *, rules: Breaker, at: datetime) -> int:
    """Gives events that came without our id to the message that the provider's id, and the address, name; returns how
    many. The provider may tell of a message before its answer to our request has been written down."""
    with engine.begin() as connection:
        ledger.lock(connection, ledger.OUTCOMES_LOCK)
        rows = connection.execute(statement("events/match"), {"since": at - MATCH_WITHIN}).all()
        if not rows:
            return 0
        told = [Event(r.message_id, OutcomeKind(r.kind), r.occurred_at, SOURCE, str(r.event)) for r in rows]
        runs = outcomes.keep(connection, told, at=at).runs
        withdraws(connection, [(r.message_id, r.occurred_at) for r in rows if r.withdraws], at=at)
    outcomes.judged(engine, runs, rules=rules, at=at)
    return len(rows)


def applier(house: House, now: Callable[[], datetime], stop: Signal) -> None:
    """Applies what comes until told to stop: a thread of the public app, or `habitue events apply --follow`. What goes
    wrong is logged by its kind and tried again."""
    looks = 0
    while not stop.is_set():
        wait = PAUSE
        try:
            done = apply(house.engine, key=house.mark_key, rules=house.shop.breaker, at=now())
            if done.posts:
                log.info("events: %s", done)
                wait = 0
            if looks % MATCH_EVERY == 0:
                match(house.engine, rules=house.shop.breaker, at=now())
            looks += 1
        except Exception as error:  # a thread that ends would go unnoticed, and unsubscribes with it
            log.error("events could not be applied (%s): trying again", type(error).__name__)
            wait = 10 * PAUSE
        stop.wait(wait)


# What a person asks


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of what is kept apart. `what`: post or event."""

    what: str
    why: str
    type: str | None
    number: int
    since: datetime


def counts(engine: Engine) -> list[Line]:
    """What waits, can't be read or belongs to nothing, by reason and type."""
    with engine.connect() as connection:
        return [Line(*row) for row in connection.execute(statement("events/counts"))]


def listed(engine: Engine, *, why: str | None, most: int) -> list[dict[str, Any]]:
    """The last of them: what, id, why, type, at."""
    with engine.connect() as connection:
        rows = connection.execute(statement("events/listed"), {"why": why, "most": most}).mappings()
        return [dict(row) for row in rows]


def shown(engine: Engine, named: str) -> dict[str, Any] | None:
    """What is known of a post or an event, without addresses; None where there is none of that id."""
    with engine.connect() as connection:
        row = connection.execute(statement("events/shown"), {"id": named}).mappings().one_or_none()
        return {name: value for name, value in row.items() if value is not None} if row else None


@dataclass(frozen=True, slots=True)
class Standing:
    """How far so many mails got, and what stands against them."""

    got: str
    against: str | None
    messages: int


def standing(engine: Engine, run_id: str) -> list[Standing]:
    """Of a run's mails; whatever came late or twice, none falls back."""
    with engine.connect() as connection:
        told = {"run_id": run_id, "against": [kind.value for kind in AGAINST]}
        return [Standing(*row) for row in connection.execute(statement("events/standing"), told)]

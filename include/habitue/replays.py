"""Replays: a past run decided and made again, beside what the ledger and the folders have kept of it.

1. In one transaction that is rolled back, temporary tables and views bear the names of the base's and hold what was
   known at the moment of the plan (PostgreSQL looks there first): customers from the run's snapshot, consents, holds,
   suppressions, earlier runs and what had come of them.
2. The same `decide` as a plan's runs on them, with the frozen campaign and settings; each of its decisions is compared
   with the ledger's.
3. The same code as a delivery's makes the letters, mails and call lists again, with the texts as they are now; they are
   compared with the hashes that were kept, and byte for byte with what still lies where it was handed over.
4. What a run stood on and has changed since is named.
"""

from __future__ import annotations

import filecmp
import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select, text

from habitue import __version__
from habitue.calls import CallRow, write_call_list
from habitue.campaigns import find_campaign
from habitue.costs import price_list
from habitue.decisions import Question, decide
from habitue.deliveries import Calls, Desk, Emails
from habitue.errors import HabitueError, LedgerError, SettingError
from habitue.facts import write_facts
from habitue.house import House
from habitue.lake import Snapshot
from habitue.lots import lot_name
from habitue.plans import Base, Shard, from_lake, salt
from habitue.print_room import Letters
from habitue.recipients import Recipient, Run
from habitue.senders import Outbox
from habitue.settings import INCLUDE
from habitue.shop import Shop
from habitue.statements import statement
from habitue.suppressions import check_key
from habitue.tables import Channel, State, run, shard

Say = Callable[[str], None]
"""Told what is being done now."""

KNOWN_THEN = ("run", "message", "exclusion", "holdout", "outcome", "consent", "preference", "hold", "suppression")
"""The base's tables as they stood, in the order in which they are made; `run` and the replayed moment come first."""

COMPARED = ("content", "letters", "emails", "calls")


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it was. `where`: messages, exclusions, holdout, audience, texts, snapshot, content,
    letters, emails, calls; `ids` are of customers, shards, messages or files: ten at most."""

    where: str
    what: str
    number: int
    ids: tuple[str, ...] = ()


@dataclass
class Replay:
    run_id: str
    out: Path
    messages: int = 0
    excluded: int = 0
    held_out: int = 0
    compared: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COMPARED, 0))
    """shards whose hash was kept, and files that still lay there"""
    differences: list[Difference] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    """what the run stood on and is another now; it need not have made a difference"""

    @property
    def same(self) -> bool:
        return not self.differences

    def as_dict(self) -> dict[str, Any]:
        return {"same": self.same, **asdict(self)}

    def differs(self, where: str, what: str, ids: list[str]) -> None:
        if ids:
            self.differences.append(Difference(where, what, len(ids), tuple(ids[:10])))


def replay(house: House, run_id: str, *, out: Path, say: Say = lambda _: None) -> Replay:
    """Decides and makes the run again, into `out` (a new or an empty folder), and says what is not the same.

    Nothing is written to the base. LedgerError for a run that is not planned, whose snapshot is gone or that was
    planned before settings were frozen.
    """
    if out.exists() and any(out.iterdir()):
        raise LedgerError(f"{out} holds files: name a new or an empty folder, so that only the replay is in it")
    planned = Run.of(house.engine, run_id)
    found = Replay(run_id, out)
    with house.engine.connect() as connection:  # rolled back at its end
        row = connection.execute(select(run).where(run.c.run_id == run_id)).mappings().one()
        if not row["shop"]:
            raise LedgerError(
                f"{run_id} was planned by version {row['package_version']}, which froze no settings: "
                "it can be explained, not replayed"
            )
        shop = Shop.model_validate(row["shop"])
        snapshot = house.lake.snapshot(planned.snapshot_id)
        say("checking the snapshot and the texts")
        for sentence in house.lake.verify(snapshot):
            found.differences.append(Difference("snapshot", sentence, 1))
        found.differs("texts", "changed since the plan", _changed_texts(row))
        found.changed += _erased(snapshot)
        found.changed += _changed_settings(row, planned, house)
        say("putting back what was known then")
        _know_what_was_known(connection, house, snapshot, run_id)
        say("deciding about everyone")
        price = price_list(planned.campaign, shop, planned.on)
        asked = Question(planned.campaign, shop, planned.on, run_id, planned.planned_at, price)
        counts = decide(connection, asked, salt(house.secret, run_id))
        found.messages, found.excluded, found.held_out = counts.planned, counts.excluded, counts.held_out
        erased = _of_erased(connection, run_id)
        if erased:
            connection.execute(statement("replay/drop_erased"))
            connection.execute(statement("replay/put_erased"), {"run_id": run_id})
            connection.execute(statement("replay/places"))
            found.changed.append(f"the order of messages: {sum(erased.values())} are of people who were erased since")
        say("comparing the decisions")
        _compare_decisions(connection, found)
        _compare_shards(connection, found)
        connection.execute(text("drop view pg_temp.message"))
        connection.execute(statement("replay/to_render"))
        _make(connection, house, _desk(house, shop, planned, connection, out), snapshot, erased, found, say)
        found.changed += _details(connection, found)
    return found


def _changed_texts(row: RowMapping) -> list[str]:
    """Files (below include/) that are not as the run froze them."""

    def now(name: str) -> str | None:
        path = INCLUDE / name
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None

    return [name for name, then in sorted(row["files"].items()) if now(name) != then]


def _erased(snapshot: Snapshot) -> Iterator[str]:
    """Erasures are the one change that a snapshot may know. Who was erased is compared no more."""
    for note in snapshot.erasures:
        yield f"snapshot {snapshot.id}: {note['people']} people were erased on {note['on']}"


def _changed_settings(row: RowMapping, planned: Run, house: House) -> Iterator[str]:
    yield from (f"shop.yaml: {key}" for key in _keys(row["shop"], house.shop.model_dump(mode="json")))
    name = f"campaigns/{planned.campaign.name}.yaml"
    try:
        if find_campaign(planned.campaign.name, house.shop).sha256 != row["campaign_sha256"]:
            yield name
    except SettingError:
        yield f"{name} (gone, or no longer in order)"
    if row["package_version"] != __version__:
        yield f"habitue {row['package_version']}, now {__version__}"


def _keys(then: Any, now: Any, path: str = "") -> Iterator[str]:
    """The keys, outside in, whose values differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted(then.keys() | now.keys()):
            yield from _keys(then.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif then != now:
        yield path


def _know_what_was_known(connection: Connection, house: House, snapshot: Snapshot, run_id: str) -> None:
    check_key(connection, house.mark_key)
    connection.execute(statement("replay/replayed"), {"run_id": run_id})
    connection.execute(text("analyze replayed"))
    from_lake(connection, Base(snapshot.id, snapshot.segments, snapshot.customers), house.mark_key)
    connection.execute(text("create temp view segment as select * from standing"))
    connection.execute(text("create temp table shop_holdout (like public.shop_holdout including all) on commit drop"))
    connection.execute(statement("replay/shop_holdout"))
    for name in KNOWN_THEN:
        connection.execute(statement(f"replay/{name}"))


def _compare_decisions(connection: Connection, found: Replay) -> None:
    for where, question in (("messages", "messages"), ("exclusions", "exclusions"), ("holdout", "held_out")):
        for row in connection.execute(statement(f"replay/{question}"), {"run_id": found.run_id}):
            found.differences.append(Difference(where, row.what, row.customers, tuple(row.ids)))
            if "message_id" in row.what and row.customers == found.messages:
                found.changed.append("HABITUE_SECRET (every message has another id)")


def _compare_shards(connection: Connection, found: Replay) -> None:
    """By their hashes: who, by which way, in which order, with which text."""
    then = select(shard.c.channel, shard.c.shard, shard.c.audience_sha256).where(shard.c.run_id == found.run_id)
    kept = {(row.channel, row.shard): row.audience_sha256 for row in connection.execute(then)}
    made = {(row.channel, row.shard): row.audience_sha256 for row in connection.execute(statement("plan/shards"))}
    other = sorted(key for key in kept.keys() | made.keys() if kept.get(key) != made.get(key))
    named = [str(Shard(found.run_id, Channel(channel), number)) for channel, number in other]
    found.differs("audience", "another hash than the plan's", named)


@dataclass(frozen=True)
class _Desk(Desk):
    """A desk that makes and hands nothing over: the people are the replay's, nothing is asked of the ledger and nothing
    written to it."""

    made: dict[Shard, str] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        return self.house.out

    def check(self, shard: Shard) -> None:
        """Changed texts are named, not refused."""

    def keep_content(self, shard: Shard, digest: str, messages: int) -> None:
        self.made[shard] = digest


class _Emails(Emails):
    """Mails that are kept as they are made."""

    def mail(self, who: Recipient) -> Any:
        mail = super().mail(who)
        self.sender.send([mail])
        return mail


class _Calls(Calls):
    """Call rows that are kept as they are made."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.rows: list[CallRow] = []

    def row(self, who: Recipient) -> CallRow:
        made = super().row(who)
        self.rows.append(made)
        return made


class _Letters(Letters):
    def some(self, shard: Shard, ids: frozenset[UUID]) -> None:
        """The lot of these messages alone."""
        self._make(shard, lambda: self.desk.people(shard, State.PLANNED, only=ids))


def _desk(house: House, shop: Shop, planned: Run, connection: Connection, out: Path) -> _Desk:
    """A desk whose house is `out`, with the frozen settings and this house's keys."""
    out.mkdir(parents=True, exist_ok=True)
    there = replace(house, out=out, shop=shop, secret_setting=house.secret.decode())
    return _Desk(there, planned, "replay", connection)


def _of_erased(connection: Connection, run_id: str) -> dict[tuple[str, int], int]:
    """How many messages of people who were erased each shard holds: it can't be made again as it was."""
    rows = connection.execute(statement("replay/of_erased"), {"run_id": run_id})
    return {(row.channel, row.shard): row.messages for row in rows}


def _make(
    connection: Connection,
    house: House,
    desk: _Desk,
    snapshot: Snapshot,
    erased: dict[tuple[str, int], int],
    found: Replay,
    say: Say,
) -> None:
    """Makes everything of the replayed plan, and compares it with what was kept of it."""
    customers = connection.scalars(text("select customer_id from planned_message")).all()
    write_facts(customers, segments=snapshot.segments, orders=snapshot.orders, out=desk.work / "facts.parquet")
    columns = (shard.c.channel, shard.c.shard, shard.c.content_sha256)
    rows = connection.execute(select(*columns).where(shard.c.run_id == found.run_id).order_by(*columns[:2])).all()
    other: list[str] = []
    for channel, number, kept in rows:
        part = Shard(found.run_id, Channel(channel), number)
        if people := erased.get((channel, number)):
            found.changed.append(f"{part}: not made again, {people} of its messages are of people who were erased")
            continue
        say(f"making {part}")
        try:
            _make_shard(connection, house, desk, part, found)
        except HabitueError as error:
            found.differences.append(Difference("content", str(error), 1, (str(part),)))
            continue
        if kept is not None:
            found.compared["content"] += 1
            if desk.made.get(part) != kept:
                other.append(str(part))
    found.differs("content", "another hash than when it was rendered", other)


def _make_shard(connection: Connection, house: House, desk: _Desk, part: Shard, found: Replay) -> None:
    asked = {"run_id": part.run_id, "channel": part.channel, "shard": part.number}
    left = connection.execute(statement("replay/has_left"), asked).one()
    only = frozenset(left.left_ids or []) if left.others else None
    match part.channel:
        case Channel.LETTER:
            _make_letters(house, desk, part, only, found)
        case Channel.EMAIL:
            _Emails(desk, Outbox(desk.work / "emails")).render(part)
            names = [f"{one}.eml" for one in left.left_ids or []]
            found.differs(
                "emails", "other bytes than the mail that left", _other(house, desk.work, "emails", names, found)
            )
        case Channel.CALL:
            _make_calls(house, desk, part, only, found)


def _make_letters(house: House, desk: _Desk, part: Shard, only: frozenset[UUID] | None, found: Replay) -> None:
    """The lot; and, where some of its letters were not handed over in the end, the lot without them."""
    press = _Letters(desk)
    press.render(part)
    lot = lot_name(part.run_id, part.number)
    name, made = f"{lot}/{lot}.pdf", desk.work
    if only and (house.out / "letters" / name).exists():
        press = _Letters(_as_left(desk))
        press.some(part, only)
        made = press.desk.work
    found.differs(
        "letters", "other bytes than the lot that was handed over", _other(house, made, "letters", [name], found)
    )


def _make_calls(house: House, desk: _Desk, part: Shard, only: frozenset[UUID] | None, found: Replay) -> None:
    """The list; and, where some were not on it in the end, the list without them."""
    caller = _Calls(desk)
    caller.render(part)
    name = f"{desk.run.campaign.name}-{desk.run.on}"
    lists = [(desk.work, caller.rows)]
    if only:
        ids = {str(one) for one in only}
        lists.append((_as_left(desk).work, [row for row in caller.rows if row.message_id in ids]))
    for folder, rows in lists:
        files = (folder / "calls" / f"{name}.xlsx", folder / "calls" / f"{name}.csv")
        write_call_list(rows, *files, shop=desk.house.shop, on=desk.run.on)
    names = [f"{name}.xlsx", f"{name}.csv"]
    found.differs(
        "calls", "other bytes than the list that was handed over", _other(house, folder, "calls", names, found)
    )


def _as_left(desk: _Desk) -> _Desk:
    """The same desk in a folder beside its own, for what was made again without those who said no."""
    beside = replace(desk.house, out=desk.work / "as_left")
    beside.out.mkdir(exist_ok=True)
    shutil.copyfile(desk.work / "facts.parquet", beside.out / "facts.parquet")
    return replace(desk, house=beside)


def _other(house: House, made: Path, folder: str, names: Iterable[str], found: Replay) -> list[str]:
    """Which of these files lie in the house with other bytes than those that were made; the missing ones are passed."""
    there = [name for name in names if (house.out / folder / name).is_file()]
    found.compared[folder] += len(there)
    return [name for name in there if not _same(made / folder / name, house.out / folder / name)]


def _same(made: Path, kept: Path) -> bool:
    return made.is_file() and filecmp.cmp(made, kept, shallow=False)


def _details(connection: Connection, found: Replay) -> Iterator[str]:
    """Texts are made from details as they were when they were made: another customer base may have been loaded between
    the plan and that."""
    if {one.where for one in found.differences} & {"content", "letters", "emails", "calls"}:
        row = connection.execute(statement("replay/details")).one()
        if row.customers:
            yield f"details of {row.customers} of its customers, since the snapshot: {', '.join(row.ids)}"

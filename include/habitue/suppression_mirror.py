"""SendGrid's own lists and ours, each told what the other knows.

From them to us: bounces and invalid addresses (hard_bounce), spam reports, unsubscribes. Blocks never: a block says
nothing of the address. An address that is on their global list for having been put there by us is no news, and neither
is one that was lifted here after it came onto their list: take it off there, too, or SendGrid drops its mails.

From us to them: ours are keyed marks that no address can be read from. So only present customers can be told of, whose
own addresses have a mark that is suppressed; they go onto the global list. Others are suppressed here all the same, and
nothing is ever sent to them by us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine

from habitue import suppressions
from habitue.errors import SettingError
from habitue.providers import Access
from habitue.sendgrid_lists import Lists
from habitue.shop import SenderSettings
from habitue.statements import source, statement
from habitue.suppressions import MarkKey, canonical
from habitue.tables import Channel, SuppressionReason

LISTS = {
    "bounces": SuppressionReason.HARD_BOUNCE,
    "blocks": None,
    "spam_reports": SuppressionReason.SPAM_COMPLAINT,
    "invalid_emails": SuppressionReason.HARD_BOUNCE,
    "unsubscribes": SuppressionReason.UNSUBSCRIBED,
}
"""SendGrid's lists, and why an address on one is suppressed here; None: it is not."""


@dataclass
class ListCount:
    """`entries` = `news` + `known` + `lifted` + `unreadable` + `ignored`"""

    entries: int = 0
    news: int = 0
    known: int = 0
    """suppressed here before, or named by another entry"""
    lifted: int = 0
    unreadable: int = 0
    """no address that anybody could be written to at"""
    ignored: int = 0
    """blocks"""


@dataclass
class Mirrored:
    lists: dict[str, ListCount] = field(default_factory=lambda: {name: ListCount() for name in LISTS})
    written: int = 0
    refused: int = 0
    """addresses of ours that SendGrid would not have"""

    @property
    def news(self) -> int:
        return sum(count.news for count in self.lists.values())


def open_lists(sender: SenderSettings, access: Access) -> Lists:
    """SendGrid's lists by the shop's settings. SettingError where the shop doesn't send by SendGrid."""
    if sender.kind != "sendgrid":
        raise SettingError(f"sender.kind is {sender.kind}: only a shop that sends by sendgrid has lists to mirror")
    if not access.password:
        raise SettingError("HABITUE_SENDGRID_KEY is not set, nor HABITUE_SENDGRID_KEY_FILE: sender.kind is sendgrid")
    return Lists(access.password, sender.sendgrid.base_url, sender.sendgrid.timeout)


def mirror(
    engine: Engine,
    lists: Lists,
    *,
    key: MarkKey,
    at: datetime,
    dry_run: bool = False,
    on_progress: Callable[[str], object] = lambda text: None,
) -> Mirrored:
    """Reads all lists, adds what is news here, then adds there what they don't have; doing it again does nothing.

    With `dry_run` nothing changes on either side. SendError where SendGrid fails: what was written stays, and the next
    time goes on from there.
    """
    return asyncio.run(_mirror(engine, lists, key, at, dry_run, on_progress))


async def _mirror(
    engine: Engine, lists: Lists, key: MarkKey, at: datetime, dry_run: bool, on_progress: Callable[[str], object]
) -> Mirrored:
    done = Mirrored()
    with engine.connect() as connection:
        suppressions.check_key(connection, key)
        connection.exec_driver_sql(source("suppressions/told"))
        connection.commit()  # a long reading must not hold a transaction open
        try:
            async with lists:
                for name in LISTS:
                    await _read(connection, lists, name, done, key, at, on_progress)
                _take_in(connection, done, key, at, dry_run)
                await _write(connection, lists, done, key, dry_run, on_progress)
        finally:
            connection.rollback()
            connection.exec_driver_sql("drop table told_suppression")
            connection.commit()
    return done


async def _read(
    connection: Connection,
    lists: Lists,
    name: str,
    done: Mirrored,
    key: MarkKey,
    at: datetime,
    on_progress: Callable[[str], object],
) -> None:
    """One list to the side."""
    count = done.lists[name]
    async for page in lists.entries(name):
        count.entries += len(page)
        if LISTS[name] is None:
            count.ignored += len(page)
        else:
            rows = list(_rows(page, key, at))
            count.unreadable += len(page) - len(rows)
            connection.execute(
                statement("suppressions/tell"),
                {
                    "list": name,
                    "marks": [mark for mark, _ in rows],
                    "moments": [moment for _, moment in rows],
                    "reason": LISTS[name],
                },
            )
            connection.commit()
        on_progress(f"{name}: {count.entries:,} entries read")


def _rows(page: list[Mapping[str, Any]], key: MarkKey, at: datetime) -> Iterator[tuple[bytes, datetime]]:
    """Mark and moment of each entry that names an address."""
    for entry in page:
        address, created = entry.get("email"), entry.get("created")
        value = canonical(Channel.EMAIL, address, country="") if isinstance(address, str) else None
        if value is not None:
            yield key.mark(value), _moment(created, at)


def _moment(created: object, at: datetime) -> datetime:
    """When the entry came onto the list; now, where it doesn't say."""
    if isinstance(created, int | float) and 0 < created <= at.timestamp():
        return datetime.fromtimestamp(created, UTC)
    return at


def _take_in(connection: Connection, done: Mirrored, key: MarkKey, at: datetime, dry_run: bool) -> None:
    """What is news becomes ours, all at once."""
    lifted = connection.execute(statement("suppressions/lifted_since")).all()
    news = connection.execute(statement("suppressions/take_in_told"), {"key": key.id, "at": at}).all()
    if dry_run:
        connection.rollback()
    else:
        connection.commit()
    for row in lifted:
        done.lists[row.list].lifted = row.entries
    for row in news:
        done.lists[row.list].news = row.entries
    for count in done.lists.values():
        count.known = count.entries - count.news - count.lifted - count.unreadable - count.ignored


async def _write(
    connection: Connection,
    lists: Lists,
    done: Mirrored,
    key: MarkKey,
    dry_run: bool,
    on_progress: Callable[[str], object],
) -> None:
    """What they don't know, of present customers, goes onto their global list."""
    piecemeal = {"yield_per": lists.page}
    with connection.execute(statement("suppressions/untold"), {"key": key.id}, execution_options=piecemeal) as untold:
        for rows in untold.partitions(lists.page):
            if not dry_run:
                await lists.add([row.email for row in rows])
            done.refused = lists.refused
            done.written += len(rows)
            on_progress(f"written to SendGrid: {done.written:,}")
    done.written -= done.refused

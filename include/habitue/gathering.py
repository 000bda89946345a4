"""What the hourly round gathers: a step for each source, safe to run again; late news are welcome, each has its source.

Each takes the house and the moment, and returns counts and ids of runs only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from habitue import credits as book
from habitue import funnels, ledger, purchases, responses
from habitue.errors import SourceError
from habitue.house import House
from habitue.statements import statement
from habitue.tables import snapshot

DONE = "done"
"""Below the inbox: what was taken in of the printer's files."""

UNDER_WAY = (".part", ".tmp", ".filepart")
"""How a file's name ends that is still being written."""

AT_ONCE = 2
"""Questions about outcomes that the database counts at a time: each keeps one of its processors busy for seconds."""

NOT_SET_UP: Mapping[str, Any] = {"skipped": "not set up"}


Step = Callable[..., Mapping[str, Any]]


def provider_events(house: House, *, at: datetime) -> Mapping[str, Any]:
    """Applies what providers posted and still waits, and finds the messages of what came without our id."""
    from habitue import events

    done = events.Applied()
    while (some := events.apply(house.engine, key=house.mark_key, rules=house.shop.breaker, at=at)).posts:
        done.add(some)
    matched = events.match(house.engine, rules=house.shop.breaker, at=at)
    return {**asdict(done), "matched": matched}


def returned_mails(house: House, *, at: datetime) -> Mapping[str, Any]:
    """Reads the mailbox of `sender.returns`, where there is one: bounces, complaints, wishes to stop."""
    if house.shop.sender.returns is None:
        return NOT_SET_UP
    from habitue import mailboxes, returns

    with closing(mailboxes.open_mailbox(house.shop.sender.returns, house.imap_password)) as mailbox:
        found = returns.gather(
            house.engine,
            mailbox,
            key=house.mark_key,
            token_keys=house.token_keys,
            rules=house.shop.breaker,
            at=at,
        )
    counts = {name: getattr(found, name) for name in ("read", "suppressed", "withdrawn", "settled")}
    return {**counts, "became": dict(found.became), "left": len(found.left), "paused": sorted(found.paused)}


def provider_suppressions(house: House, *, at: datetime) -> Mapping[str, Any]:
    """Brings the lists of SendGrid and ours together, where mails go by SendGrid."""
    if house.shop.sender.kind != "sendgrid":
        return NOT_SET_UP
    from habitue import suppression_mirror

    lists = suppression_mirror.open_lists(house.shop.sender, house.access)
    done = suppression_mirror.mirror(house.engine, lists, key=house.mark_key, at=at)
    return {"news": done.news, "written": done.written, "refused": done.refused}


def printer_files(house: House, *, at: datetime) -> Mapping[str, Any]:
    """Takes in what printer and post tell, file by file, from the inbox. What is taken in goes to its folder `done`,
    and of it only the columns that are read: a printer may send addresses back.

    SourceError, when all files have been tried, names those that can't be taken in and why; they stay.
    """
    from habitue import printer_returns

    inbox = inbox_of(house)
    counts, bad = {"files": 0, "lines": 0, "new": 0, "known": 0, "suppressed": 0}, []
    for file in sorted(inbox.glob("[!.]*")):
        if not file.is_file() or file.name.endswith(UNDER_WAY):
            continue
        try:
            taken = printer_returns.take(house.engine, file, shop=house.shop, key=house.mark_key, at=at)
        except SourceError as error:
            bad.append(str(error))
            continue
        _set_aside(file, at)
        counts["files"] += 1
        for name in ("lines", "new", "known", "suppressed"):
            counts[name] += getattr(taken, name)
    if bad:
        raise SourceError(
            f"{len(bad)} of the files in {inbox.name}/ can't be taken in, {counts['files']} others were: "
            f"{'; '.join(bad)}. Mend them, or take their clear lines with `habitue letters return --partial`"
        )
    return counts


def inbox_of(house: House) -> Path:
    """Where the printer's files are put: `letters.returns`, else returns/inbox in the folder of results."""
    return house.shop.letters.returns or house.out / "returns" / "inbox"


def _set_aside(file: Path, at: datetime) -> None:
    """Another file of that name may lie there already: the moment is put before it."""
    from habitue import printer_returns

    done = file.parent / DONE
    done.mkdir(exist_ok=True)
    printer_returns.copy_of(file, done / f"{at:%Y%m%dT%H%M%S}-{file.name}")
    file.unlink()


def call_results(house: House, *, at: datetime) -> Mapping[str, Any]:
    """Ends the call lists whose time is over: who was tried in vain, and who was never rung."""
    from habitue import call_lists

    return {str(status): lines for status, lines in call_lists.expire(house, at).items()}


def credited_purchases(house: House, *, at: datetime) -> Mapping[str, Any]:
    """Credits purchases to messages and restates the runs' responses: when a snapshot was loaded, and when there is
    news since of what had left or had failed. Without either it is a look at some counters."""
    with house.engine.begin() as connection:
        ledger.lock(connection, book.LOCK)
        last = connection.execute(select(snapshot).order_by(snapshot.c.taken_on.desc()).limit(1)).mappings().first()
        if last is None:
            return {"snapshot": None, "already": True}
        about: dict[str, Any] = {
            "snapshot_id": last["snapshot_id"],
            "on": last["taken_on"],
            "zone": house.shop.timezone,
            "return_days": purchases.RETURN_DAYS,
        }
        # Before the messages are read: what comes in between is looked at twice rather than never.
        news = connection.execute(statement("credits/news"), {**about, "heard_until": last["heard_until"] or 0}).one()
        fresh = last["gathered_at"] is None or news.tallies_md5 != last["tallies_md5"]
        looked: dict[str, Any] = {"heard_until": news.heard_until, "tallies_md5": news.tallies_md5}
        ours = update(snapshot).where(snapshot.c.snapshot_id == last["snapshot_id"])
        if not fresh and not news.late:
            connection.execute(ours.values(looked))
            return {"snapshot": last["snapshot_id"], "already": True}
        since: date | None = connection.scalar(statement("credits/since"), about)
        told: dict[str, Any] = {"snapshot": last["snapshot_id"], "since": since and since.isoformat()}
        if since is not None:
            about["since"] = since
            orders = house.lake.snapshot(last["snapshot_id"]).orders
            with purchases.opened(orders, since=since) as duck:
                told |= asdict(book.enter(connection, duck, about=about, at=at))
                if fresh:  # what reached whom makes no difference to them
                    told["runs"] = responses.refresh(connection, duck, runs=house.out / "runs", about=about, at=at)
        connection.execute(ours.values(gathered_at=at, **looked))
    return told


def counted_outcomes(house: House, *, at: datetime) -> Mapping[str, Any]:
    """Counts what pages show: how far each run of the last months has come, and of a large shop what came of its runs,
    the year's money and what was won back. A large run is counted where there is news of it."""
    from habitue import budgets, losses, measures, outcome_parts
    from habitue.quarters import Quarter

    today = at.astimezone(house.shop.tz).date()
    since = today - funnels.NEWS
    news = outcome_parts.with_news(house.engine, since=since, until=today, at=at)
    with house.engine.connect() as connection:
        large = outcome_parts.large(connection)
    work: list[Callable[[], object]] = [
        partial(funnels.refresh, house.engine, since=since, until=today, at=at, large=news)
    ]
    if news:
        work.append(partial(measures.keep_all, house.engine, news, at=at))
    if large:
        quarters = (Quarter.of(today), Quarter.of(today).before)
        work += [partial(budgets.keep, house.engine, year, at=at) for year in sorted({since.year, today.year})]
        work += [partial(losses.keep, house.engine, house.shop, quarter, at=at) for quarter in quarters]
    with ThreadPoolExecutor(AT_ONCE) as workers:
        counted, *_ = workers.map(lambda one: one(), work)
    return {"runs": counted, "large": len(news), "shop": large}


STEPS: Mapping[str, Step] = {
    step.__name__: step
    for step in (
        *(provider_events, returned_mails, provider_suppressions),
        *(printer_files, call_results, credited_purchases, counted_outcomes),
    )
}
"""The round, each step by its name."""

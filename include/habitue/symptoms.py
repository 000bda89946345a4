"""What the base and the lake tell of themselves to `habitue doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from habitue import database, doubts, events, figures, gathering, overview, suppressions, trends
from habitue.doctor import Check, Finding, Level, Visit
from habitue.errors import LedgerError
from habitue.statements import statement
from habitue.tables import RunState, State, metadata, snapshot

OLDEST_POSTGRESQL = 16

SKEW = (timedelta(seconds=5), timedelta(minutes=1))
"""By how much the base's clock may differ from ours: beyond the first it is told, beyond the second a lease of minutes
means nothing."""

SLOW = timedelta(hours=2)
"""What the hourly round should have taken in long ago."""

RECENT = timedelta(days=2)
"""A customer base is made every night: an older one means that a night came to nothing."""


def server(visit: Visit) -> Iterator[Finding]:
    """Whether the base is reached, is one that we can use, and lets us."""
    try:
        with visit.house.engine.connect() as connection:
            row = connection.execute(statement("doctor/server"), {"zone": visit.shop.timezone}).one()
    except DBAPIError as error:
        fix = "see HABITUE_DATABASE_URL, and whether PostgreSQL runs and lets us in"
        yield Finding("database", Level.BAD, f"it can't be reached ({type(error.orig).__name__})", fix)
        return
    if row.version < OLDEST_POSTGRESQL:
        fix = f"move to {OLDEST_POSTGRESQL} or newer"
        yield Finding("database", Level.BAD, f"it is PostgreSQL {row.version}", fix)
    if row.encoding != "UTF8":
        fix = "create it anew: create database … template template0 encoding 'UTF8'"
        yield Finding("database", Level.BAD, f"it keeps text as {row.encoding}", fix)
    if not row.makes_tables:
        what = "our user may not make tables, which migrations and plans do"
        yield Finding("database", Level.BAD, what, "grant create on schema public to that user")
    if not row.knows_zone:
        what = f"PostgreSQL does not know the time zone {visit.shop.timezone}"
        yield Finding("clock", Level.BAD, what, "install its time zones (tzdata), or name another in shop.yaml")
    yield Finding("database", Level.OK, f"PostgreSQL {row.version}, {row.encoding}")
    yield _clock(row.told_at, visit.now)


def _clock(theirs: datetime, ours: datetime) -> Finding:
    apart = abs(theirs - ours)
    level = Level.BAD if apart > SKEW[1] else Level.WARN if apart > SKEW[0] else Level.OK
    what = f"the base's clock and ours are {apart.total_seconds():.0f} s apart"
    return Finding("clock", level, what, "" if level is Level.OK else "let both machines keep time (NTP)")


def migrations(visit: Visit) -> Iterator[Finding]:
    """Whether the base's tables are those of this version, and ours to read and write."""
    at, head = database.versions(visit.house.engine)
    if at is None:
        yield Finding("migrations", Level.BAD, "the base has no tables", "habitue db upgrade")
    elif at != head:
        known = at in database.known_versions()
        fix = "habitue db upgrade" if known else "install the version of Habitué that made them"
        yield Finding("migrations", Level.BAD, f"the base is at {at}, this version at {head}", fix)
    else:
        with visit.house.engine.connect() as connection:
            found = connection.execute(statement("doctor/rights"), {"tables": list(metadata.tables)}).all()
        if missing := [row.name for row in found if row.missing]:
            what = f"tables are missing: {', '.join(missing)}"
            yield Finding("migrations", Level.BAD, what, "restore the base from its backup")
        if closed := [row.name for row in found if not row.missing]:
            what = f"our user may not read and write {', '.join(closed)}"
            yield Finding("database", Level.BAD, what, "grant select, insert, update, delete on them to that user")
        if not found:
            yield Finding("migrations", Level.OK, f"at {head}")


def marks(visit: Visit) -> Iterator[Finding]:
    """Whether suppressions were made with the secret that we have."""
    if visit.house.secret_setting is None and not (visit.house.out / "secret.key").is_file():
        return  # there is none yet, and looking makes none
    try:
        with visit.house.engine.connect() as connection:
            suppressions.check_key(connection, visit.house.mark_key)
    except LedgerError as error:
        yield Finding("secret", Level.BAD, str(error), "nobody is written to until then")
    else:
        yield Finding("secret", Level.OK, "suppressions can be matched")


def last_snapshot(visit: Visit) -> Iterator[Finding]:
    """How old the last customer base is, and whether base and figures have followed it."""
    last = visit.house.lake.latest()
    if last is None:
        yield Finding("snapshot", Level.BAD, "no customer base is published", "run the DAG customer_base")
        return
    age, most = (visit.today - last.on).days, visit.shop.validation.most_snapshot_age_days
    level = Level.BAD if age > most else Level.WARN if timedelta(age) >= RECENT else Level.OK
    fix = "see the DAG customer_base and validation.html"
    fix += f"; on one older than {most} days nothing is planned" if level is Level.BAD else ""
    yield Finding("snapshot", level, f"the last one, {last.id}, is {age} days old", "" if level is Level.OK else fix)
    with visit.house.engine.connect() as connection:
        loaded = connection.scalar(select(snapshot.c.snapshot_id).order_by(snapshot.c.taken_on.desc()).limit(1))
        told = figures.last_snapshot(connection, trends.rule_of(visit.shop.segments)[0])
    if loaded is None or loaded < last.id:
        what = f"{last.id} is published, the base has {loaded or 'none'}"
        yield Finding("snapshot", Level.BAD, what, "clear the task load of the DAG customer_base")
    elif told is None or told < last.id:
        what = f"figures are told as of {told or 'no snapshot'}, the base is of {last.id}"
        yield Finding("figures", Level.WARN, what, "habitue figures refresh")


def runs(visit: Visit) -> Iterator[Finding]:
    """What keeps the last runs from going on."""
    engine, found = visit.house.engine, [*_stopped(visit)]
    once = doubts.made_once(visit.shop)
    for line in overview.runs(engine, at=visit.at):
        why = "paused" if line.state is RunState.PAUSED else line.shut
        if why in ("paused", "late") and line.waiting:
            what = f"{line.run_id} is {why}: {line.waiting} messages wait"
            fix = f"habitue resume {line.run_id}, or habitue cancel {line.run_id}"
            found.append(Finding("runs", Level.WARN, what, fix))
        if line.gap:
            what = f"{line.run_id}: {line.gap} planned messages are in no state"
            found.append(Finding("runs", Level.BAD, what, "restore the base from its backup, and tell us"))
        if line.states[State.CLAIMED] or line.states[State.UNKNOWN]:
            with engine.connect() as connection:
                in_doubt = doubts.doubts(connection, line.run_id, at=visit.at)
            for one in in_doubt:
                name = f"{line.run_id}, {one.channel}"
                again = "clear its task deliver" if one.channel in once else f"habitue settle {line.run_id}"
                if one.silent:
                    found.append(Finding("claims", Level.BAD, f"{name}: {one.silent} claims ran out", again))
                if one.unknown:
                    what = f"{name}: of {one.unknown} messages nobody knows whether they left"
                    found.append(Finding("claims", Level.WARN, what, f"habitue settle {line.run_id}"))
    yield from found or [Finding("runs", Level.OK, "nothing is stuck")]


def _stopped(visit: Visit) -> Iterator[Finding]:
    if pulled := overview.stopped(visit.house.engine):
        since = f"{pulled.at.astimezone(visit.shop.tz):%Y-%m-%d %H:%M}"
        yield Finding("runs", Level.WARN, f"the kill switch is pulled since {since}: nothing leaves", "habitue go")


def posts(visit: Visit) -> Iterator[Finding]:
    """What providers told and nobody has read."""
    for line in events.counts(visit.house.engine):
        since = f"since {line.since.astimezone(visit.shop.tz):%Y-%m-%d %H:%M}"
        if line.why == "waiting" and visit.at - line.since > SLOW:
            what = f"{line.number} posts of providers wait, {since}"
            yield Finding("posts", Level.BAD, what, "habitue events apply, and see the DAG outcomes")
        elif line.why in ("unreadable", "account"):
            said = {"unreadable": "posts can't be read", "account": "events are about our account"}[line.why]
            fix = f"habitue events list --why {line.why}"
            yield Finding("posts", Level.WARN, f"{line.number} {said}, {since}", fix)


def inbox(visit: Visit) -> Iterator[Finding]:
    """Files of printer and post that the hourly round left where they were: it could not read them, or doesn't run."""
    folder = gathering.inbox_of(visit.house)
    left = [
        file
        for file in folder.glob("[!.]*")
        if file.is_file() and visit.now - datetime.fromtimestamp(file.stat().st_mtime, UTC) > SLOW
    ]
    if left:
        what = f"{len(left)} files lie in {folder} for longer than {SLOW.seconds // 3600} hours"
        yield Finding("inbox", Level.WARN, what, "habitue letters return FILE says what is wrong with one")


def call_lists(visit: Visit) -> Iterator[Finding]:
    """Lists past their end whose lines nobody has ended."""
    with visit.house.engine.connect() as connection:
        for row in connection.execute(statement("doctor/call_lists"), {"at": visit.at}):
            ended = f"{row.ended_at.astimezone(visit.shop.tz):%Y-%m-%d %H:%M}"
            what = f"{row.run_id}: {row.lines} lines are open, the list ended {ended}"
            yield Finding("calls", Level.WARN, what, "habitue calls expire")


def erasures(visit: Visit) -> Iterator[Finding]:
    """People who asked to be erased, and are not yet."""
    with visit.house.engine.connect() as connection:
        left = connection.scalar(statement("doctor/erasures"), {"before": visit.at - timedelta(days=1)})
    if left:
        fix = "habitue retention --on DATE takes them up again"
        yield Finding("erasures", Level.BAD, f"{left} were ordered over a day ago and are not finished", fix)


FIRST: tuple[Check, ...] = (server, migrations)
"""In order; what comes after a bad finding is not asked."""

THEN: tuple[Check, ...] = (marks, last_snapshot, runs, posts, inbox, call_lists, erasures)

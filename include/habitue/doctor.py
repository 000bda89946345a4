"""`habitue doctor`: what ails an installation, and what to do about each thing.

Each check is a small function from a visit to its findings; a new one is put into CHECKS, or into `symptoms` where it
asks the base. Nothing is changed, nobody is written to, and no finding holds anything of a customer, of what a person
said or of a password: counts, rules, names of settings, ids of runs.
"""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from habitue import airflow_home, checking, connections, screenshots
from habitue.errors import HabitueError, SendError, SettingError
from habitue.hand_over import NEEDS, open_service
from habitue.house import LEAST_KEY, House
from habitue.letters import Press
from habitue.mailboxes import open_mailbox
from habitue.providers import open_sender
from habitue.sendgrid_api import SendGrid
from habitue.shop import Shop
from habitue.smtp import Smtp
from habitue.smtp_connection import Lost, Server, open_connection

PATIENCE = 10.0
"""Seconds for an answer of anybody who is asked here."""

ALPHABETS: Mapping[str, str] = {
    "fr": "ÀÂÆÇÉÈÊËÎÏÔŒÙÛÜŸàâæçéèêëîïôœùûüÿ«»’…–€",
    "en": "ÀÇÉÈÊËÖàçéèêëïö‘’“”…–£€",
}
"""What letters in a language are written with beyond the first 127 characters."""

NAMES = "ÁÄÅÃÍÓÖÕØÚÝáäåãíñóöõøúýßĀāĂăĄąĆćČčĎďĐđĒēĖėĘęĚěĞğĢģĪīĮįİıĶķĹĺĻļĽľŁłŃńŅņŇňŐőŔŕŘřŚśŞşŠšŢţŤťŪūŮůŰűŲųŹźŻżŽž"
"""What the customers of European shops are called by (Latin-1 and Latin Extended-A), whatever they are written in."""

ROOM = 200_000_000
"""Bytes that a night takes at the least: work files, a snapshot, logs."""


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    """it runs; somebody should look"""
    BAD = "bad"
    """it can't do its work"""


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    """the check's"""
    level: Level
    what: str
    fix: str = ""
    """what to do about it; empty where all is well"""


@dataclass(frozen=True)
class Visit:
    """What a check may look at. `at` is the shop's moment, a played day's in a demonstration; `now` the real one."""

    settings: Mapping[str, str] = field(repr=False)
    house: House
    at: datetime
    now: datetime
    reach: bool = False
    """ask providers too, over the network"""

    @property
    def shop(self) -> Shop:
        return self.house.shop

    @property
    def today(self) -> date:
        return self.at.astimezone(self.shop.tz).date()


Check = Callable[[Visit], Iterable[Finding]]


def examine(
    settings: Mapping[str, str], *, at: Callable[[tzinfo], datetime], now: datetime, reach: bool = False
) -> Iterator[Finding]:
    """All checks in order. What needs something that a former check found broken is left out, and says so. `at` tells
    the shop's moment by its time zone."""
    from habitue import symptoms

    try:
        house = House.of(settings)
    except (HabitueError, OSError) as error:
        yield Finding(
            "settings", Level.BAD, _sentence(error), "set it right, then ask again: nothing else was looked at"
        )
        yield from chromium()
        return
    visit = Visit(settings, _impatient(house), at(house.shop.tz), now, reach)
    try:
        stands = True
        for asked in symptoms.FIRST:
            found = list(asked(visit)) if stands else []
            stands = stands and not any(one.level is Level.BAD for one in found)
            yield from found
        for asked in CHECKS:
            yield from asked(visit)
        yield from campaigns(visit, database=stands)
        if not stands:
            yield Finding("ledger", Level.WARN, "runs, posts and lists were not looked at", "mend the base first")
            return
        for asked in symptoms.THEN:
            yield from asked(visit)
    finally:
        visit.house.engine.dispose()


def _impatient(house: House) -> House:
    """A base that doesn't answer is not waited for."""
    url = make_url(house.database_url)
    if "connect_timeout" in url.query:
        return house
    patient = url.update_query_dict({"connect_timeout": f"{PATIENCE:.0f}"})
    return replace(house, database_url=patient.render_as_string(hide_password=False))


def campaigns(visit: Visit, *, database: bool) -> Iterator[Finding]:
    """shop.yaml, sources and campaigns, as `habitue check` reads them."""
    read = dict(checking.findings(None, visit.settings, database=database))
    for name, found in read.items():
        if found:
            more = f" (and {len(found) - 1} more)" if found[1:] else ""
            yield Finding("settings", Level.BAD, f"{found[0]}{more}", f"habitue check {name}")
    if visit.settings.get("HABITUE_TODAY"):
        what = f"HABITUE_TODAY plays {visit.today}: mails and lots stay here"
        yield Finding("settings", Level.WARN, what, "in production leave it out")
    if not any(read.values()):
        yield Finding("settings", Level.OK, f"{len(read)} files are in order")


def secrets(visit: Visit) -> Iterator[Finding]:
    """The secret of links and marks, and what else lets us in. Nothing is made here."""
    kept = visit.house.out / "secret.key"
    named = visit.house.secret_setting
    if named is None:
        where = "stands in HABITUE_OUT" if kept.is_file() else "is not set; one would be made in HABITUE_OUT"
        yield Finding(
            "secret",
            Level.WARN,
            f"HABITUE_SECRET {where}",
            "set it (openssl rand -hex 32), or keep secret.key with the base's backups: without it no link of a mail "
            "and no suppression is known again",
        )
    elif len(named) < LEAST_KEY:
        yield Finding(
            "secret",
            Level.WARN,
            f"HABITUE_SECRET has {len(named)} characters",
            "use openssl rand -hex 32 from the start",
        )
    else:
        yield Finding("secret", Level.OK, "HABITUE_SECRET is set")
    sender = visit.shop.sender
    if sender.returns is not None and (said := _said(open_mailbox, sender.returns, visit.house.imap_password)):
        yield Finding("returns", Level.BAD, said, "see docs/email.md, What comes back")
    if sender.kind == "sendgrid" and not visit.house.webhook_keys:
        yield Finding(
            "webhook",
            Level.WARN,
            "HABITUE_SENDGRID_WEBHOOK_KEY is not set: what SendGrid posts is refused",
            "copy the public key from SendGrid's page of the signed event webhook",
        )


def connected(visit: Visit) -> Iterator[Finding]:
    """Whether Airflow has the connections that shop.yaml and the source name."""
    sender = visit.shop.sender
    wanted = [("sender.connection", sender.connection)] if sender.kind != "outbox" and sender.connection else []
    wanted += [("the source", visit.house.source.connection)] if visit.house.source.connection else []
    for where, name in wanted:
        found = airflow_home.connection(name, visit.settings)
        if isinstance(found, str):
            fix = f"add it in Airflow (Admin, Connections), or set {connections.variable(name)}"
            yield Finding("connection", Level.BAD, f"{where}: connection {name}: {found}", fix)
        else:
            yield Finding("connection", Level.OK, f"{where}: {name} is there")


def sender(visit: Visit) -> Iterator[Finding]:
    """Whether mails could leave, without sending one: a mail server is greeted and logged in to; SendGrid is asked what
    its key may do only where `reach` says so."""
    chosen = visit.shop.sender
    if chosen.kind == "outbox":
        yield Finding("sender", Level.OK, "outbox: mails stay in a folder")
        return
    try:
        house = _let_in(visit)
        carrier = open_sender(visit.shop, house.access, out=house.out)
    except SettingError as error:
        yield Finding("sender", Level.BAD, str(error), "see docs/email.md, Who carries the mails")
        return
    if isinstance(carrier, Smtp):
        server = replace(carrier.server, timeout=min(carrier.server.timeout, PATIENCE))
        try:
            asyncio.run(_greeted(server))
        except (Lost, SendError) as error:
            fix = "see sender.smtp in shop.yaml, the firewall, and HABITUE_SMTP_PASSWORD"
            yield Finding("sender", Level.BAD, f"{server.place}: {error}", fix)
        else:
            yield Finding("sender", Level.OK, f"{server.place} lets us in ({server.security})")
    elif isinstance(carrier, SendGrid):
        yield _asked(carrier) if visit.reach else Finding("sender", Level.OK, "sendgrid: its key is set (not tried)")


def _let_in(visit: Visit) -> House:
    """The house with what the sender's Airflow connection says, where that stands in Airflow's own base."""
    chosen = visit.shop.sender
    if not chosen.connection or visit.house.access.connection == chosen.connection:
        return visit.house
    found = airflow_home.connection(chosen.connection, visit.settings)
    if isinstance(found, str):
        raise connections.missing(chosen.connection)
    return replace(visit.house, access=connections.access(chosen.connection, chosen.kind, found))


async def _greeted(server: Server) -> None:
    await (await open_connection(server)).quit()


def _asked(carrier: SendGrid) -> Finding:
    import httpx

    try:
        said = httpx.get(
            f"{carrier.base_url}/v3/scopes", headers={"authorization": f"Bearer {carrier.key}"}, timeout=PATIENCE
        )
        scopes = said.json().get("scopes", []) if said.status_code == httpx.codes.OK else []
    except (httpx.HTTPError, ValueError, AttributeError) as error:
        return Finding("sender", Level.BAD, f"SendGrid does not answer ({type(error).__name__})", "see sender.sendgrid")
    if said.status_code != httpx.codes.OK:
        return Finding("sender", Level.BAD, f"SendGrid answered {said.status_code}", "make a new HABITUE_SENDGRID_KEY")
    if "mail.send" not in scopes:
        return Finding("sender", Level.BAD, "SendGrid's key may not send mail", "give it the right Mail Send")
    return Finding("sender", Level.OK, "sendgrid: its key may send mail")


def print_shop(visit: Visit) -> Iterator[Finding]:
    """Whether what the way to the print shop needs is installed and set; whether it opens, where `reach` says so."""
    letters = visit.shop.letters
    protocol = (letters.hand_over or "").split("://")[0]
    if (module := NEEDS.get(protocol)) and importlib.util.find_spec(module) is None:
        what = f"letters.hand_over: {protocol}:// needs {module}, which is not installed"
        yield Finding("print shop", Level.BAD, what, f'pip install "habitue[{protocol}]"')
        return
    if letters.service is not None or (visit.reach and letters.hand_over):
        try:
            open_service(letters, password=visit.house.letters_password, letters=visit.house.out / "letters").close()
        except HabitueError as error:
            yield Finding("print shop", Level.BAD, str(error), "see docs/letters.md")
            return
    yield Finding(
        "print shop", Level.OK, f"lots go by {protocol or ('the letter service' if letters.service else 'hand')}"
    )


def fonts(visit: Visit, alphabets: Mapping[str, str] = ALPHABETS, names: str = NAMES) -> Iterator[Finding]:
    """Whether the letterhead's font is there, and the fonts have what the shop's languages and customers' names are
    written with: one letter is set in them."""
    press = Press(visit.shop, on=visit.today)
    try:
        for language in visit.shop.languages:
            if lacking := press.lacks(alphabets[language] + names):
                signs = " ".join(f"U+{ord(sign):04X}" for sign in lacking[:8])
                more = f" and {len(lacking) - 8} more" if lacking[8:] else ""
                fix = "choose a letterhead.font that has them; Noto Serif in include/fonts stands in for the rest"
                yield Finding("fonts", Level.BAD, f"for {language} the fonts lack {signs}{more}", fix)
                return
    except HabitueError as error:
        yield Finding("fonts", Level.BAD, str(error), "see letterhead in shop.yaml")
        return
    font = visit.shop.letterhead.font
    yield Finding("fonts", Level.OK, f"{font} covers {', '.join(visit.shop.languages)} and the names of Europe")


def disk(visit: Visit) -> Iterator[Finding]:
    """Whether HABITUE_OUT can be written to, and has room for the next snapshot and lots: as much again as the last
    ones take, twice over, since both are made beside what they replace."""
    out = visit.house.out
    there = next(folder for folder in (out, *out.parents) if folder.exists())  # it is made when it is needed
    try:
        with tempfile.NamedTemporaryFile(dir=there):
            pass
        free = shutil.disk_usage(there).free
    except OSError as error:
        what = f"HABITUE_OUT can't be written to ({error.strerror or type(error).__name__})"
        yield Finding("disk", Level.BAD, what, "give its owner the right, or name another folder")
        return
    last = visit.house.lake.latest()
    snapshot = sum(map(_size, [last.path, *last.orders])) if last else 0
    lots = sum(sorted(map(_size, (out / "letters").glob("LOT-*")))[-20:])
    needed = ROOM + 2 * (snapshot + lots)
    level = Level.BAD if free < needed else Level.WARN if free < 3 * needed else Level.OK
    what = f"{free / 1e9:,.1f} GB are free, the next night and lots take up to {needed / 1e9:,.1f} GB"
    fix = "" if level is Level.OK else "make room: habitue retention --on DATE removes what is old"
    yield Finding("disk", level, what, fix)


def _size(path: Path) -> int:
    """Bytes of a file, or of all below a folder; what is gone meanwhile is nothing."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def chromium(_: Visit | None = None) -> Iterator[Finding]:
    found = screenshots.browser()
    if found is None:
        fix = "install chromium for pictures of mails (habitue preview); all else does without"
        yield Finding("chromium", Level.WARN, "there is none on the path", fix)
    else:
        yield Finding("chromium", Level.OK, "is there")


CHECKS: tuple[Check, ...] = (secrets, connected, sender, print_shop, fonts, disk, chromium)
"""What is asked without the base."""


def _said(attempt: Callable[..., Any], *given: Any) -> str | None:
    try:
        attempt(*given)
    except HabitueError as error:
        return str(error)
    return None


def _sentence(error: Exception) -> str:
    """Ours are sentences; of the system's errors the kind and the file."""
    if isinstance(error, OSError):
        name = Path(error.filename).name if isinstance(error.filename, str) else "a file of the settings"
        return f"{name} can't be read ({error.strerror or type(error).__name__})"
    return str(error)

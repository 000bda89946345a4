"""The demonstration shop some months later: its exports with what was bought since, and with what the campaigns did.

Without campaigns each customer does again what he did a year before: every visit of the same days comes again, 52 weeks
later (so the same weekday), with the chance AGAIN. A message that left adds a visit of its own with the chance LIFT of
its channel: this is the true effect, planted here, that a report must find. Some of those who come give the code of
their offer, also of those who would have come anyway: what is credited to a message is more than what it caused. Some
goods are brought back, a part of them months later.

New customers come too: those whom another shop of the same model and size met in these months.

The same arguments give the same bytes.
"""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from habitue.demo_shop import FILES
from habitue.errors import SettingError
from habitue.senders import replace_file
from habitue.statements import statement

if TYPE_CHECKING:
    import numpy as np
    from sqlalchemy import Engine

YEAR = timedelta(days=364)
AGAIN = 0.72
LIFT: Mapping[str, float] = {"letter": 0.07, "email": 0.03, "call": 0.12}
"""The chance that a message brings a visit more."""
CODE_OF_EXTRA, CODE_OF_OTHERS = 0.7, 0.2
"""How many give the code of their message: who came because of it, and who would have come anyway."""
CODE_OF_A_FRIEND = 0.03
"""How many who would have come anyway give a code that was another's, whether they were written to or not."""
TYPED: Sequence[Callable[[str], str]] = (str, str.lower, lambda code: code.replace("-", ""), lambda code: code + " ")
"""How a code gets into the till."""
RETURNED, LATE = 0.04, 0.3
"""Orders brought back, and how many of those only after two to four months."""
MOMENT = "%d/%m/%Y %H:%M"

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that left."""

    customer_id: str
    channel: str
    on: date
    offer_code: str


@dataclass
class Quarter:
    """What was written, and the truth behind it."""

    again: int = 0
    """orders that would have come anyway"""
    extra: int = 0
    """orders that came because of a message"""
    codes: int = 0
    """orders with the code of a message"""
    friends: int = 0
    """those of them whose buyer was not the one it was written to"""
    returns: int = 0
    newcomers: int = 0
    """customers who were not there before, and what they bought"""
    their_orders: int = 0
    caused: dict[str, set[str]] = field(default_factory=dict)
    """by channel: customers who bought because of a message and would not have bought at all"""


def comes_again(rng: np.random.Generator, visits: int) -> Any:
    """Which of last year's visits are repeated."""
    return rng.random(visits) < AGAIN


def is_moved(rng: np.random.Generator, channels: Sequence[str], lift: Mapping[str, float] = LIFT) -> Any:
    """Which messages bring a visit more."""
    import numpy as np

    return rng.random(len(channels)) < np.array([lift[channel] for channel in channels])


def write_quarter(
    before: Path,
    out: Path,
    *,
    since: date,
    until: date,
    seed: int,
    sent: Sequence[Sent],
    lift: Mapping[str, float] = LIFT,
) -> Quarter:
    """The exports of `before` (CSV, which end before `since`) into `out`, with what was bought from `since` to `until`.
    At most 364 days, so that a year before is known."""
    if not since <= until < since + YEAR:
        raise SettingError(f"demo quarter: from {since} until {until}; give an end within 364 days of the beginning")
    import numpy as np

    rng = np.random.default_rng([seed, since.toordinal()])
    rows = list(_read(before / FILES["commandes"]))
    past = _visits(rows, since - YEAR, until - YEAR)
    found = Quarter()
    orders = [_shifted(lines) for lines, again in zip(past, comes_again(rng, len(past)), strict=True) if again]
    found.again = len(orders)
    bought = {lines[0]["id_client"] for lines in orders}
    _give_codes(rng, orders, sent, found)
    moved = [
        message for message, is_so in zip(sent, is_moved(rng, [m.channel for m in sent], lift), strict=True) if is_so
    ]
    for message in moved:
        if past:
            orders.append(_extra(rng, past[int(rng.integers(len(past)))], message, until, found))
            if message.customer_id not in bought:
                found.caused.setdefault(message.channel, set()).add(message.customer_id)
    _type_codes(np.random.default_rng([seed, since.toordinal(), 1]), orders, sent, found)
    orders += _brought_back(rng, orders, until, found)
    people, consents, theirs = _newcomers(before, since, until, seed)
    found.newcomers, found.their_orders = len({row["id_client"] for row in people}), len(theirs)
    _write(out, before, rows, [*orders, *theirs])
    _append(out, before, FILES["clients"], people)
    _append(out, before, FILES["consentements"], consents)
    return found


def sent_of(engine: Engine) -> list[Sent]:
    """What has left, by the ledger, in an order that is always the same."""
    with engine.connect() as connection:
        return [Sent(*row) for row in connection.execute(statement("measures/sent"))]


def _read(path: Path) -> Iterator[Row]:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", newline="") as table:
        yield from csv.DictReader(table, delimiter=";")


def _newcomers(before: Path, since: date, until: date, seed: int) -> tuple[list[Row], list[Row], list[list[Row]]]:
    """Their rows, their consents, their orders, with numbers that go on behind the last customer's."""
    from habitue.demo_shop import write_shop

    known = {row["id_client"] for row in _read(before / FILES["clients"])}
    last = max((int(who[1:]) for who in known), default=0)
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder)
        write_shop(other, customers=max(1, len(known)), seed=seed + since.toordinal(), until=until)
        people = [row for row in _read(other / FILES["clients"]) if (_day(row["cree_le"]) or date.min) >= since]
        ids = list(dict.fromkeys(row["id_client"] for row in people))
        number = {who: f"C{place:07d}" for place, who in enumerate(ids, last + 1)}
        consents = [row for row in _read(other / FILES["consentements"]) if row["id_client"] in number]
        orders: dict[str, list[Row]] = {}
        for row in _read(other / FILES["commandes"]):
            if row["id_client"] in number and _moment(row):
                orders.setdefault(row["no_commande"], []).append(row)
    for row in [*people, *consents, *(row for lines in orders.values() for row in lines)]:
        row["id_client"] = number[row["id_client"]]
    return people, consents, list(orders.values())


def _day(said: str) -> date | None:
    try:
        return datetime.strptime(said, MOMENT[:8]).date()  # noqa: DTZ007 - a day
    except ValueError:
        return None


def _moment(row: Row) -> datetime | None:
    try:
        return datetime.strptime(row["date_heure"], MOMENT)  # noqa: DTZ007 - shop time
    except ValueError:
        return None


def _visits(rows: Sequence[Row], first: date, last: date) -> list[list[Row]]:
    """The sales of these days by known customers, in the order of the file."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        moment = _moment(row)
        if moment and first <= moment.date() <= last and row["id_client"] and row["no_commande"].startswith("T"):
            found.setdefault(row["no_commande"], []).append(row)
    return list(found.values())


def _shifted(lines: Sequence[Row]) -> list[Row]:
    moved = []
    for row in lines:
        moment = _moment(row)
        assert moment is not None  # noqa: S101 - those without one are no visits
        moved.append({**row, "date_heure": (moment + YEAR).strftime(MOMENT), "code_avantage": ""})
    return moved


def _give_codes(rng: np.random.Generator, orders: list[list[Row]], sent: Sequence[Sent], found: Quarter) -> None:
    by_customer = {message.customer_id: message for message in sent}
    for lines, gives in zip(orders, rng.random(len(orders)) < CODE_OF_OTHERS, strict=True):
        message, moment = by_customer.get(lines[0]["id_client"]), _moment(lines[0])
        if gives and message and message.offer_code and moment and moment.date() > message.on:
            _with_code(lines, message.offer_code)
            found.codes += 1


def _with_code(lines: list[Row], code: str) -> None:
    for row in lines:
        row["code_avantage"] = code


def _type_codes(rng: np.random.Generator, orders: list[list[Row]], sent: Sequence[Sent], found: Quarter) -> None:
    """Friends' codes, and how all of them are typed. Chances of their own: who comes hangs on none of this."""
    coded = [message for message in sent if message.offer_code]
    for lines, passed_on in zip(orders, rng.random(len(orders)) < CODE_OF_A_FRIEND, strict=True):
        code, moment = lines[0]["code_avantage"], _moment(lines[0])
        if not code and passed_on and coded and moment:
            friend = coded[int(rng.integers(len(coded)))]
            if friend.customer_id != lines[0]["id_client"] and moment.date() > friend.on:
                code = friend.offer_code
                found.codes += 1
                found.friends += 1
        if code:
            _with_code(lines, TYPED[int(rng.integers(len(TYPED)))](code))


def _extra(rng: np.random.Generator, like: Sequence[Row], message: Sent, until: date, found: Quarter) -> list[Row]:
    """A visit as somebody else made it, some weeks after the message; never on a Sunday or a closed day."""
    from habitue.demo_orders import CLOSED

    day = message.on + timedelta(days=2 + int(rng.triangular(0, 10, 50)))
    while day.weekday() == 6 or (day.month, day.day) in CLOSED:
        day += timedelta(days=1)
    day = min(day, until)
    clock = 600 + int(rng.integers(0, 540))
    moment = datetime(day.year, day.month, day.day, clock // 60, clock % 60)  # noqa: DTZ001 - shop time
    lines = [{**row, "id_client": message.customer_id, "date_heure": moment.strftime(MOMENT)} for row in like]
    gives = rng.random() < CODE_OF_EXTRA and bool(message.offer_code)
    _with_code(lines, message.offer_code if gives else "")
    found.extra += 1
    found.codes += int(gives)
    return lines


def _brought_back(
    rng: np.random.Generator, orders: Sequence[list[Row]], until: date, found: Quarter
) -> list[list[Row]]:
    back = []
    for lines in orders:
        if rng.random() >= RETURNED:
            continue
        days = int(rng.integers(60, 120)) if rng.random() < LATE else int(rng.integers(3, 26))
        moment = _moment(lines[0])
        if moment is None or (moment + timedelta(days=days)).date() > until:
            continue
        when, row = (moment + timedelta(days=days)).strftime(MOMENT), lines[0]
        gone = {"quantite": f"-{row['quantite']}", "montant": f"-{row['montant']}" if row["montant"] else ""}
        back.append([{**row, **gone, "no_commande": "A", "date_heure": when, "code_avantage": ""}])
        found.returns += 1
    return back


def _write(out: Path, before: Path, rows: Sequence[Row], orders: Sequence[list[Row]]) -> None:
    """Everything beside the old, all or nothing; new orders by time, with numbers that go on behind the last one."""
    out.mkdir(parents=True, exist_ok=True)
    serial = max((int(row["no_commande"].rpartition("-")[2]) for row in rows), default=0)
    by_time = sorted(orders, key=lambda lines: (_moment(lines[0]) or datetime.min, lines[0]["id_client"]))  # noqa: DTZ901
    part = out / f".{FILES['commandes']}.part"
    columns = list(rows[0]) if rows else []
    with part.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=5, fileobj=raw, mtime=0) as packed:
        text = io.TextIOWrapper(packed, "utf-8", newline="")
        table = csv.DictWriter(text, columns, delimiter=";", lineterminator="\r\n")
        table.writeheader()
        table.writerows(rows)
        for place, lines in enumerate(by_time, serial + 1):
            kind, year = lines[0]["no_commande"][:1], lines[0]["date_heure"][8:10]
            for number, row in enumerate(lines, 1):
                table.writerow({**row, "no_commande": f"{kind}{year}-{place:07d}", "no_ligne": str(number)})
        text.flush()
        text.detach()
    part.replace(out / FILES["commandes"])


def _append(out: Path, before: Path, name: str, rows: Sequence[Row]) -> None:
    text = io.StringIO()
    if rows:
        csv.DictWriter(text, list(rows[0]), delimiter=";", lineterminator="\r\n").writerows(rows)
    replace_file(out / name, (before / name).read_bytes() + text.getvalue().encode())

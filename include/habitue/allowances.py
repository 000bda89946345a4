"""How many e-mails may leave on a day of the shop: a new domain is warmed up, a known one may have a daily cap.

1. A day's row in `mail_day` counts what has left or may have, over all runs. The first claim of the day makes it from
   the ledger: e-mails accepted or in doubt since midnight, and those in a worker's hands.
2. Each claim takes no more than is left and adds what it took, alone with the row until it commits: however many
   workers claim at once, they never take more together.
3. What certainly did not leave, held or refused, is given back to its day. What was in doubt stays counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import Connection, Engine, delete, insert, select, text, update

from habitue.shop import SenderSettings, Shop
from habitue.statements import statement
from habitue.tables import mail_day

LOCK = "habitue.mail_day"
"""The name of the lock that a claim of counted e-mails holds until it commits."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """At most so many e-mails on this day, which begins and ends at the shop's midnight."""

    day: date
    most: int
    begins: datetime
    ends: datetime

    @classmethod
    def of(cls, shop: Shop, at: datetime) -> Allowance | None:
        """Of the day of the moment `at`; None where the shop sets none, or has only an outbox."""
        day = at.astimezone(shop.tz).date()
        most = shop.sender.most_on(day)
        if most is None or shop.sender.kind == "outbox":
            return None
        return cls(day, most, *(datetime.combine(one, time(), shop.tz) for one in (day, day + timedelta(days=1))))


@dataclass(frozen=True, slots=True)
class Used:
    """How far a day's allowance is used up."""

    allowance: Allowance
    mails: int

    @property
    def left(self) -> int:
        return max(0, self.allowance.most - self.mails)

    def goes_on(self, shop: Shop) -> date | None:
        """The day on which more may leave, where today's are used up."""
        return None if self.left else opens_again(self.allowance, shop, lambda _: None).date()


def take(connection: Connection, allowance: Allowance) -> int:
    """How many may still leave. Nobody else is told a number until this transaction ends."""
    connection.execute(text("select pg_advisory_xact_lock(hashtext(:name))"), {"name": LOCK})
    used = _kept(connection, allowance)
    if used is None:
        used = _counted(connection, allowance)
        connection.execute(insert(mail_day).values(day=allowance.day, mails=used))
    return max(0, allowance.most - used)


def add(connection: Connection, day: date, mails: int) -> None:
    """So many more have left on the day, or may have; fewer where it is negative."""
    if mails:
        row = update(mail_day).where(mail_day.c.day == day)
        connection.execute(row.values(mails=mail_day.c.mails + mails))


def count_anew(connection: Connection) -> None:
    """The ledger has learnt what it had not known: the next claim counts from it."""
    connection.execute(delete(mail_day))


def used(engine: Engine, shop: Shop, *, at: datetime) -> Used | None:
    """How far today's allowance is used up; None where there is none."""
    allowance = Allowance.of(shop, at)
    if allowance is None:
        return None
    with engine.connect() as connection:
        kept = _kept(connection, allowance)
        return Used(allowance, _counted(connection, allowance) if kept is None else kept)


def _kept(connection: Connection, allowance: Allowance) -> int | None:
    found: int | None = connection.scalar(select(mail_day.c.mails).where(mail_day.c.day == allowance.day))
    return found


def _counted(connection: Connection, allowance: Allowance) -> int:
    named = {"begins": allowance.begins, "ends": allowance.ends}
    return int(connection.execute(statement("ledger/mail_day"), named).scalar_one())


def opens_again(allowance: Allowance, shop: Shop, open_at: Callable[[datetime], datetime | None]) -> datetime:
    """When mails may next leave: on the first day after this one that allows any, once the campaign's hours begin."""
    ends, day = allowance.ends, allowance.day + timedelta(days=1)
    warm_up = shop.sender.warm_up
    if warm_up is not None and warm_up.since > day:
        ends = datetime.combine(warm_up.since, time(), shop.tz)
    return open_at(ends) or ends


def days_needed(sender: SenderSettings, mails: int, *, on: date) -> int | None:
    """Over how many days from `on`, itself counted, so many mails leave where nothing else does; None where the shop
    sets no limit."""
    if sender.kind == "outbox" or sender.most_on(on) is None:
        return None
    days, left = 0, mails
    while left > 0:
        most = sender.most_on(on + timedelta(days=days)) or 0
        steady = sender.warm_up is None or most == sender.most_on(date.max)
        if steady and most:
            return days + -(-left // most)
        left -= most
        days += 1
    return days

"""The law of calling, asked of many at once when a list is made or handed over: a question of sets
(calls/unlawful.sql), whose hours are those that `calling` works out. Of one customer it is asked in `call_gate`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from habitue import calling
from habitue.calling import Law
from habitue.shop import Shop
from habitue.statements import statement

TABLES = {
    "call_place": "prefix text, law text",
    "call_law": (
        "law text, consent_days int, most int, within int, slot interval, screened_on date, screened_within int"
    ),
    "call_zone": "zone text",
    "call_opening": "law text, zone text, day date, opens timestamptz, closes timestamptz",
}


@contextmanager
def unlawful(
    connection: Connection, *, since: datetime, until: datetime, before: datetime, at: datetime, shop: Shop
) -> Iterator[None]:
    """Who of the temporary table `to_ring` (customer_id) may not be rung at any moment from `since` until `until`, as
    the temporary table `unlawful` (customer_id, rule). `before`: until when consents count; `at`: until when attempts
    are known. Both tables are gone afterwards."""
    for name, columns in TABLES.items():
        connection.execute(text(f"create temp table {name} ({columns})"))
    for name, rows in _rows(connection, shop, since, until).items():
        if rows:
            names = ", ".join(f":{column}" for column in rows[0])
            connection.execute(text(f"insert into {name} values ({names})"), rows)  # noqa: S608 - ours
    for name in ("to_ring", *TABLES):
        connection.execute(text(f"analyze {name}"))
    asked = {"since": since, "until": until, "before": before, "at": at, "zone": shop.timezone}
    connection.execute(statement("calls/unlawful"), asked)
    yield
    connection.execute(text(f"drop table unlawful, to_ring, {', '.join(TABLES)}"))


def _rows(connection: Connection, shop: Shop, since: datetime, until: datetime) -> dict[str, list[dict[str, Any]]]:
    places = calling.places(local_holidays=shop.calls.local_holidays)
    laws = {law.key: law for law in places.values()}
    asked = "select distinct timezone from to_ring join customer using (customer_id)"
    zones = sorted(zone for zone in connection.scalars(text(asked)) if zone and calling.is_zone(zone))
    return {
        "call_place": [{"prefix": prefix, "law": law.key} for prefix, law in places.items()],
        "call_law": [_limits(law, shop) for law in laws.values()],
        "call_zone": [{"zone": zone} for zone in zones],
        "call_opening": [row for law in laws.values() for zone in zones for row in _openings(law, zone, since, until)],
    }


def _limits(law: Law, shop: Shop) -> dict[str, Any]:
    profile = law.profile
    screening = profile.screening
    return {
        "law": law.key,
        "consent_days": profile.consent_days,
        "most": profile.attempts.most,
        "within": profile.attempts.days,
        "slot": profile.slot,
        "screened_on": shop.calls.screened.get(profile.country),
        "screened_within": screening.days if screening and not screening.unless_agreed else None,
    }


def _openings(law: Law, zone: str, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """The law's hours by that clock, as far as they lie within the time asked for."""
    days = (moment.astimezone(ZoneInfo(zone)).date() for moment in (since, until))
    for day, opens, closes in calling.openings(law, zone, *days):
        first, last = max(opens, since), min(closes, until)
        if first < last:
            yield {"law": law.key, "zone": zone, "day": day, "opens": first, "closes": last}

"""The people of the tests, and a base that knows them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Engine, insert

from habitue import suppressions
from habitue.suppressions import MarkKey
from habitue.tables import consent, customer, segment, snapshot

ON = date(2026, 10, 1)
AT = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)
SECRET = b"s" * 32
KEY = MarkKey(SECRET)

ANNA = "anna"
"""regular, heavy; everything of hers is in order"""
BORIS = "boris"
"""lapsed; said in spring that he may be called"""
CLARA = "clara"
"""regular; has asked us to stop, on every channel"""
DAVID = "david"
"""lapsed; never asked whether he may be called"""
EMMA = "emma"
"""occasional, heavy; no address, so no letter, but an e-mail"""
FELIX = "felix"
"""Anna's husband, at the same address; spends less"""
GILLES = "gilles"
"""died in June"""
HUGO = "hugo"
"""sixteen years old"""


def person(customer_id: str, **known: Any) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "civility": "MME",
        "first_name": customer_id.title(),
        "last_name": "Exemple",
        "birth_date": None,
        "language": "fr",
        "email": f"{customer_id}@example.fr",
        "phone": "+33199001234",
        "phone_region": "FR",
        "timezone": "Europe/Paris",
        "street": "12 rue des Lilas",
        "address_extra": None,
        "postcode": "69003",
        "city": "Lyon",
        "country": "FR",
        "created_on": date(2020, 1, 1),
        "deceased_on": None,
        "household": f"home of {customer_id}",
        "letter_barrier": None,
        "email_barrier": None,
        "call_barrier": None,
        "snapshot_id": ON.isoformat(),
        "gone": None,
        **known,
    }


def marked(who: dict[str, Any]) -> dict[str, Any]:
    """With the marks of address and numbers, as loading makes them."""
    name = (who["first_name"] or "") + (who["last_name"] or "")
    box = suppressions.letter_box(name, who["street"] or "", who["postcode"] or "")
    known = f"person:{suppressions.bare(name)}|{who['email']}"
    return {
        **who,
        "email_mark": KEY.mark(suppressions.email(who["email"])) if who["email"] else None,
        "phone_mark": KEY.mark(suppressions.phone(who["phone"])) if who["phone"] else None,
        "letter_mark": KEY.mark(box) if who["street"] else None,
        "person_mark": KEY.mark(known) if who["email"] else None,
        "mark_key": KEY.id,
    }


def standing(customer_id: str, group: str, *, worth: int = 10_000, last: date = date(2026, 9, 1)) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "snapshot_id": ON.isoformat(),
        "segment": group,
        "recency_days": (ON - last).days,
        "purchase_days": 0 if group == "lapsed" else 5,
        "orders": 0 if group == "lapsed" else 5,
        "amount_cents": 0 if group == "lapsed" else worth,
        "average_basket_cents": None if group == "lapsed" else worth // 5,
        "r": 3,
        "f": 3,
        "m": 3,
        "score": 18,
        "tier": None,
        "first_day": date(2022, 1, 1),
        "last_day": last,
        "lifetime_cents": worth,
        "lifetime_days": 9,
    }


def event(customer_id: str, channel: str, status: str, at: datetime, **known: Any) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "channel": channel,
        "purpose": "marketing",
        "status": status,
        "basis": "consent" if status == "granted" else None,
        "recorded_at": at,
        "valid_until": None,
        "source": "till",
        "wording_version": "v1",
        "known_at": at,
        "direct": False,
        **known,
    }


SPRING = datetime(2026, 4, 2, 10, 0, tzinfo=UTC)
LONG_AGO = date(2024, 6, 1)


def move_in(engine: Engine) -> None:
    """Everyone of this module, with what they have bought and allowed, as of ON."""
    people = [
        person(ANNA, household="lilas 12"),
        person(BORIS, civility="M"),
        person(CLARA),
        person(DAVID, civility="M"),
        person(EMMA, household=None, letter_barrier="no_street", street=None),
        person(FELIX, civility="M", household="lilas 12"),
        person(GILLES, civility="M", deceased_on=date(2026, 6, 3)),
        person(HUGO, civility="M", birth_date=date(2010, 5, 5)),
    ]
    groups = [
        standing(ANNA, "regular_heavy", worth=90_000),
        standing(BORIS, "lapsed", worth=50_000, last=LONG_AGO),
        standing(CLARA, "regular_light"),
        standing(DAVID, "lapsed", worth=40_000, last=LONG_AGO),
        standing(EMMA, "occasional_heavy"),
        standing(FELIX, "regular_light"),
        standing(GILLES, "regular_heavy"),
        standing(HUGO, "regular_light"),
    ]
    may_mail = [event(who["customer_id"], "email", "granted", SPRING, basis="soft_opt_in") for who in people]
    events = [
        *may_mail,
        event(BORIS, "call", "granted", SPRING, valid_until=date(2027, 4, 2)),
        *[event(CLARA, way, "withdrawn", datetime(2026, 8, 1, tzinfo=UTC)) for way in ("letter", "email", "call")],
    ]
    with engine.begin() as connection:
        connection.execute(insert(customer), [marked(who) for who in people])
        connection.execute(insert(segment), groups)
        connection.execute(insert(consent), events)
        connection.execute(
            insert(snapshot).values(snapshot_id=ON.isoformat(), taken_on=ON, manifest_sha256="0", loaded_at=AT)
        )

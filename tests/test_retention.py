"""Who has not stirred for three years is erased; who has, in a way of their own, stays."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, func, insert, select, text
from typer.testing import CliRunner

from habitue import blanks, events
from habitue.cli import app
from habitue.house import House
from habitue.retention import retain
from habitue.tables import consent, customer, hold, message, metadata, outcome, segment
from lived_in import lived, one, town
from people import event, marked, standing
from people import person as somebody
from search import plain, search
from test_erasures import figures
from test_runs import ON, house_at, now

__all__ = ["lived", "town"]

LONG_AGO = date(2023, 9, 30)
JUST = date(2023, 10, 2)
KEPT = ("webhook_post", "event_apart", "event_key")
FRESH = datetime(2026, 5, 1, tzinfo=UTC)


def held(house: House) -> dict[str, int]:
    with house.engine.connect() as connection:
        rows = {name: select(func.count()).select_from(metadata.tables[name]) for name in KEPT}
        return {name: int(connection.scalar(asked) or 0) for name, asked in rows.items()}


def test_what_providers_posted_goes_after_its_days_and_what_waits_stays(people: House) -> None:
    posts = [
        (
            f'[{{"event": "delivered", "email": "{name}@example.fr", "timestamp": {second}, "sg_event_id": "{name}"}}]',
            at,
        )
        for name, second, at in (
            ("old", int(datetime(2026, 8, 1, tzinfo=UTC).timestamp()), datetime(2026, 8, 1, tzinfo=UTC)),
            ("new", int(now().timestamp()), now()),
        )
    ]
    for body, at in posts:
        events.store(people.engine, [(at, body.encode())])
        events.apply(people.engine, key=people.mark_key, rules=people.shop.breaker, at=at)
    events.store(people.engine, [(datetime(2026, 8, 1, tzinfo=UTC), b"[]")])
    before = held(people)
    assert before == {"webhook_post": 3, "event_apart": 2, "event_key": 4}
    assert retain(people, on=ON, at=now(), by="olga", dry_run=True).raw_events == 4
    assert held(people) == before
    assert retain(people, on=ON, at=now(), by="olga", dry_run=False).raw_events == 4
    assert held(people) == {
        "webhook_post": 2,
        "event_apart": 1,
        "event_key": 2,
    }


@pytest.fixture
def people(base: Engine, exports: Path, tmp_path: Path) -> Iterator[House]:
    """anna bought yesterday; boris bought last on LONG_AGO; clara did, and withdrew a consent since; david never bought
    and joined on LONG_AGO; emma is like him, and unsubscribed by a link since; felix is like boris, and a mail
    of his was delivered since; gilles is like boris, with a complaint open; hugo left no date at all; ines
    bought on JUST."""
    bought = {"anna": date(2026, 9, 30), "ines": JUST}
    prospects = {"david", "emma", "hugo"}
    names = ("anna", "boris", "clara", "david", "emma", "felix", "gilles", "hugo", "ines")
    sent = {name: uuid4() for name in ("emma", "felix")}
    with base.begin() as connection:
        connection.execute(
            insert(customer),
            [marked(somebody(name, created_on=None if name == "hugo" else LONG_AGO)) for name in names],
        )
        rows = [standing(name, "lapsed", last=bought.get(name, LONG_AGO)) for name in names]
        nothing = {"segment": "prospect", "last_day": None, "first_day": None, "recency_days": None}
        connection.execute(
            insert(segment), [row | (nothing if row["customer_id"] in prospects else {}) for row in rows]
        )
        connection.execute(insert(consent), [event("clara", "email", "withdrawn", FRESH)])
        connection.execute(
            insert(hold).values(customer_id="gilles", reason="complaint", opened_at=FRESH, opened_by="o")
        )
        connection.execute(
            insert(message),
            [
                {
                    "message_id": one_id,
                    "run_id": "r:2026-04-01",
                    "customer_id": name,
                    "channel": "email",
                    "segment": "lapsed",
                    "language": "fr",
                    "template": "t",
                    "shard": 1,
                    "position": 1,
                    "state": "accepted",
                }
                for name, one_id in sent.items()
            ],
        )
        connection.execute(
            insert(outcome),
            [
                {
                    "message_id": sent[name],
                    "kind": kind,
                    "occurred_at": FRESH,
                    "recorded_at": FRESH,
                    "source": "sendgrid",
                    "source_key": name,
                }
                for name, kind in (("emma", "unsubscribed"), ("felix", "delivered"))
            ],
        )
    house = house_at(tmp_path, exports, base)
    yield house
    house.engine.dispose()


def erased(house: House) -> set[str]:
    with house.engine.connect() as connection:
        return set(connection.scalars(text("select customer_id from customer where last_name is null")))


def kept(house: House, **given: Any) -> Any:
    return retain(house, on=ON, at=now(), by="olga", **{"dry_run": False, **given})


def test_a_dry_run_counts_by_rule_and_changes_nothing(people: House) -> None:
    found = kept(people, dry_run=True)
    assert found.people == {
        ("customer", "due"): 2,
        ("customer", "kept"): 3,
        ("customer", "pending"): 1,
        ("prospect", "due"): 1,
        ("prospect", "kept"): 1,
        ("prospect", "undated"): 1,
    }
    assert (found.due, found.erased) == (3, None)
    assert erased(people) == set()
    assert one(people, "select count(*) from erasure") == 0


def test_boris_david_and_felix_are_erased_and_nobody_else(people: House) -> None:
    found = kept(people)
    assert found.erased.people == 3
    assert erased(people) == {"boris", "david", "felix"}
    assert one(people, "select string_agg(rule, ' ' order by customer_id) from erasure") == "customer prospect customer"
    assert one(people, "select count(*) from suppression") == 0  # they objected to nothing
    again = kept(people)
    assert (again.due, again.erased.people) == (0, 0)


def test_three_years_are_three_years_to_the_day(people: House) -> None:
    retain(people, on=date(2026, 10, 1), at=now(), by="olga", dry_run=False)
    assert "ines" not in erased(people)
    retain(people, on=date(2026, 10, 2), at=now(), by="olga", dry_run=False)
    assert "ines" in erased(people)


def test_proofs_of_the_erased_go_after_their_years_and_those_of_others_stay(people: House) -> None:
    old = datetime(2023, 3, 1, tzinfo=UTC)
    with people.engine.begin() as connection:
        connection.execute(insert(consent), [event(name, "call", "granted", old) for name in ("boris", "anna")])
    assert kept(people).proofs == 0  # not erased yet when proofs were looked at
    found = kept(people)
    assert found.proofs == 1
    with people.engine.connect() as connection:
        left = set(connection.scalars(text("select customer_id from consent where channel = 'call'")))
    assert left == {"anna"}


def test_samples_and_leftovers_go_after_their_days(people: House) -> None:
    def lay(name: str, days: int) -> Path:
        path = people.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        then = (now() - timedelta(days=days)).timestamp()
        os.utime(path, (then, then))
        os.utime(path.parent, (then, then))
        return path

    old = [lay(name, 40) for name in ("rehearsals/a.html", "persons/c1.json", "work/2026-08-20/night.json")]
    old.append(lay("runs/spring/2026-08-20/letters/LOT-spring-2026-08-20-001/.LOT.pdf.77", 40))  # its worker died
    new = [lay(name, 3) for name in ("rehearsals/b.html", "persons/c2.json", "work/2026-09-30/night.json")]
    assert kept(people, dry_run=True).files == {"samples_days": 2, "leftovers_days": 2, "lots_days": 0}
    assert all(path.exists() for path in old)
    (people.out / "rehearsals" / "b.html").rename(people.out / "kept.html")  # an erasure takes every rehearsal
    kept(people)
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in new[1:])


@pytest.mark.parametrize("seed", [1, 2])
def test_some_of_a_town_are_erased_at_once_each_file_once_and_every_figure_stays(
    town: House, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    with town.engine.begin() as connection:
        everybody = connection.scalars(text("select customer_id from customer order by 1")).all()
        due = random.Random(seed).sample(everybody, 40 * seed)
        acts = {"segment": "last_day", "customer": "created_on", "consent": "recorded_at", "preference": "since"}
        for table, day in acts.items():
            older = f"update {table} set {day} = {day} - interval '10 years' where customer_id = any(:ids)"  # noqa: S608
            connection.execute(text(older), {"ids": due})
        rows = connection.execute(text("select * from customer where customer_id = any(:ids)"), {"ids": due}).mappings()
        emails = {f"{row['customer_id']} email": plain(row["email"]) for row in rows.all() if row["email"]}
    counted = figures(town)
    written: list[str] = []
    real = blanks.blank_rows

    def noted(source: Path, target: Path, sought: blanks.Sought) -> int:
        written.append(str(source))
        return real(source, target, sought)

    monkeypatch.setattr(blanks, "blank_rows", noted)
    found = retain(town, on=ON, at=now(), by="olga", dry_run=False)
    assert found.erased is not None
    bought = found.people["customer", "due"]
    assert found.erased.people == found.due >= bought > 20
    assert len(written) == len(set(written))
    assert figures(town) == counted
    mine = one(town, "select array_agg(customer_id) from erasure")
    assert set(due) <= set(mine)
    sought = {name: value for name, value in emails.items() if name.split()[0] in set(mine)}
    assert sought
    assert search(town, sought) == set()


def test_the_command_shows_the_counts_asks_and_names_nobody(people: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HABITUE_OUT": str(people.out),
        "HABITUE_DATABASE_URL": people.database_url,
        "HABITUE_SECRET": "for tests only",
    }.items():
        monkeypatch.setenv(name, value)
    said = CliRunner().invoke(app, ["retention", "--on", str(ON), "--by", "olga", "--dry-run"])
    assert said.exit_code == 0, said.output
    assert "customer         2  nothing of their own for 3 years: to be erased" in said.output
    refused = CliRunner().invoke(app, ["retention", "--on", str(ON), "--by", "olga"], input="n\n")
    assert refused.exit_code == 1
    assert erased(people) == set()
    done = CliRunner().invoke(app, ["retention", "--on", str(ON), "--by", "olga", "--yes"])
    assert done.exit_code == 0, done.output
    assert "3 erased" in done.output
    assert "boris" not in (said.output + done.output).lower()
    assert erased(people) == {"boris", "david", "felix"}

"""Who got less than a letter a quarter or a call a year, and what stood in the way."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, update
from typer.testing import CliRunner

from earlier_runs import earlier_message, earlier_run
from habitue import suppressions
from habitue.cli import app
from habitue.minimums import Minimums, minimums
from habitue.shop import load_shop
from habitue.suppressions import Suppression
from habitue.tables import Channel, SuppressionReason, consent, customer, exclusion, hold, holdout, segment
from people import ANNA, AT, BORIS, CLARA, DAVID, EMMA, FELIX, GILLES, HUGO, KEY, ON, event, move_in, person, standing

SHOP = load_shop()


@pytest.fixture
def town(base: Engine) -> Engine:
    move_in(base)
    return base


def told(town: Engine, tmp_path: Path, on: date = ON) -> tuple[dict[str, dict[str, str]], Minimums]:
    out = tmp_path / "minimums.csv"
    found = minimums(town, SHOP, on=on, out=out)
    with out.open(newline="", encoding="utf-8-sig") as table:
        rows = {row["customer_id"]: row for row in csv.DictReader(table, delimiter=";")}
    assert len(rows) == found.customers
    assert found.as_dict() == minimums(town, SHOP, on=on).as_dict()
    return rows, found


def leave_out(town: Engine, who: str, rule: str, value: str, *, campaign: str, on: date = ON) -> None:
    with town.begin() as connection:
        run_id = earlier_run(connection, campaign, on)
        row = {"run_id": run_id, "customer_id": who, "segment": "lapsed", "rule": rule, "value": value}
        connection.execute(insert(exclusion).values(**row))


def test_before_any_campaign_everyone_is_below_and_the_law_says_who_could_be_called(
    town: Engine, tmp_path: Path
) -> None:
    rows, found = told(town, tmp_path)
    why = {who: (row["why_no_letter"], row["why_no_call"], row["call_lawful"]) for who, row in rows.items()}
    assert why == {
        ANNA: ("not_offered", "no_consent", "0"),
        BORIS: ("not_offered", "not_offered", "1"),
        CLARA: ("objected", "objected", "0"),
        DAVID: ("not_offered", "no_consent", "0"),
        EMMA: ("unreachable", "no_consent", "0"),
        FELIX: ("not_offered", "no_consent", "0"),
        GILLES: ("deceased", "deceased", "0"),
        HUGO: ("minor", "minor", "0"),
    }
    assert rows[ANNA]["segment"] == "regular_heavy"
    assert (found.letter.total(), found.call.total(), found.calls_lawful) == (8, 8, 1)


@pytest.mark.parametrize(
    ("channel", "days", "state", "enough"),
    [
        ("letter", 0, "accepted", True),
        ("letter", 90, "accepted", True),
        ("letter", 91, "accepted", False),
        ("letter", 90, "unknown", True),
        ("letter", 1, "refused", False),
        ("letter", 1, "planned", False),
        ("letter", 1, "cancelled", False),
        ("letter", -1, "accepted", False),  # tomorrow's
        ("call", 364, "accepted", True),
        ("call", 365, "accepted", False),
    ],
)
def test_a_letter_counts_a_quarter_long_and_a_call_a_year(
    town: Engine, tmp_path: Path, channel: str, days: int, state: str, enough: bool
) -> None:
    on = ON - timedelta(days=days)
    with town.begin() as connection:
        earlier_message(connection, "spring", on, BORIS, channel=channel, state=state)
    rows, _ = told(town, tmp_path)
    assert rows[BORIS][f"{channel}s"] == str(int(enough))
    assert (rows[BORIS][f"why_no_{channel}"] == "") is enough
    seen = state in ("accepted", "unknown") and days >= 0
    assert rows[BORIS][f"last_{channel}"] == (f"{on:%d/%m/%Y}" if seen else "")


def test_who_got_both_is_on_no_list(town: Engine, tmp_path: Path) -> None:
    with town.begin() as connection:
        for channel in ("letter", "call"):
            earlier_message(connection, "spring", ON, BORIS, channel=channel)
    assert BORIS not in told(town, tmp_path)[0]


def test_the_last_run_that_named_the_channel_gives_the_reason(town: Engine, tmp_path: Path) -> None:
    days = [ON - timedelta(days=number) for number in (40, 30, 20, 10)]
    leave_out(
        town,
        ANNA,
        "no_consent",
        "call no_consent, letter frequency_cap 2 by letter in 30 days",
        campaign="a",
        on=days[0],
    )
    leave_out(town, ANNA, "no_consent", "email no_consent", campaign="b", on=days[1])
    leave_out(town, BORIS, "over_capacity", "call 41 of 40", campaign="a", on=days[0])
    leave_out(town, DAVID, "complaint_open", "2026-08-01", campaign="a", on=days[0])
    leave_out(town, EMMA, "unreachable", "letter unreachable no_street", campaign="a", on=days[0])
    leave_out(town, EMMA, "household_served", "letter household_served felix", campaign="c", on=days[2])
    leave_out(
        town,
        FELIX,
        "recently_contacted",
        "letter recently_contacted a:2026-01-01",
        campaign="old",
        on=ON - timedelta(days=100),
    )
    rows, found = told(town, tmp_path)
    assert (rows[ANNA]["why_no_letter"], rows[ANNA]["why_no_call"]) == ("frequency_cap", "no_consent")
    assert (rows[BORIS]["why_no_letter"], rows[BORIS]["why_no_call"]) == ("not_offered", "over_capacity")
    assert (rows[DAVID]["why_no_letter"], rows[DAVID]["why_no_call"]) == ("complaint_open", "complaint_open")
    assert rows[DAVID]["call_lawful"] == "0"
    assert rows[EMMA]["why_no_letter"] == "household_served"
    assert rows[FELIX]["why_no_letter"] == "not_offered"  # that was another quarter's reason
    assert found.call["over_capacity"] == 1


def test_a_holdout_and_a_message_that_never_left_are_reasons_too(town: Engine, tmp_path: Path) -> None:
    with town.begin() as connection:
        run_id = earlier_run(connection, "spring", ON - timedelta(days=9))
        row = {"run_id": run_id, "segment": "lapsed", "draw": 0.01, "scope": "campaign"}
        connection.execute(insert(holdout).values(**row, customer_id=BORIS, channel="call"))
        connection.execute(insert(holdout).values(**row, customer_id=ANNA, channel="email"))
        later = ON - timedelta(days=2)
        earlier_message(connection, "autumn", later, DAVID, channel="letter", state="cancelled", reason="objected")
        earlier_message(connection, "autumn", later, FELIX, channel="letter", state="refused", reason="too long")
        earlier_message(connection, "autumn", later, BORIS, channel="letter", state="planned")
    rows, _ = told(town, tmp_path)
    assert (rows[BORIS]["why_no_call"], rows[BORIS]["why_no_letter"]) == ("holdout", "waiting")
    assert rows[ANNA]["why_no_letter"] == "not_offered"
    assert (rows[DAVID]["why_no_letter"], rows[FELIX]["why_no_letter"]) == ("objected", "refused")


def test_what_closes_a_channel_today_is_asked_as_a_plan_would(town: Engine, tmp_path: Path) -> None:
    number = Suppression(Channel.CALL, suppressions.phone("+33199001234"), SuppressionReason.REFUSED_CALLS, "desk")
    with town.begin() as connection:
        connection.execute(insert(consent), [event(DAVID, "call", "granted", AT - timedelta(days=400))])
        connection.execute(
            insert(hold).values(customer_id=ANNA, reason="payment_incident", opened_at=AT, opened_by="ops")
        )
        connection.execute(update(customer).where(customer.c.customer_id == BORIS).values(call_barrier="bad_phone"))
        connection.execute(update(customer).where(customer.c.customer_id == FELIX).values(gone=ON.isoformat()))
        connection.execute(update(segment).where(segment.c.customer_id == HUGO).values(segment="prospect"))
    rows, _ = told(town, tmp_path)
    assert (rows[DAVID]["why_no_call"], rows[DAVID]["call_lawful"]) == ("consent_expired", "0")
    assert (rows[ANNA]["why_no_letter"], rows[ANNA]["call_lawful"]) == ("payment_incident", "0")
    assert (rows[BORIS]["why_no_call"], rows[BORIS]["call_lawful"]) == ("unreachable", "1")
    assert FELIX not in rows
    assert HUGO not in rows
    suppressions.add(town, [number], key=KEY, at=AT)
    assert told(town, tmp_path)[0][BORIS]["why_no_call"] == "suppressed"


def test_no_spreadsheet_computes_what_the_file_says(town: Engine, tmp_path: Path) -> None:
    with town.begin() as connection:
        connection.execute(insert(customer), [person("=1+1")])
        connection.execute(insert(segment), [standing("=1+1", "lapsed")])
    found = minimums(town, SHOP, on=ON, out=tmp_path / "m.csv")
    content = (tmp_path / "m.csv").read_bytes()
    assert content.startswith(b'\xef\xbb\xbf"customer_id";"segment"')
    assert b'"\'=1+1";"lapsed"' in content
    assert content.count(b"\r\n") == found.customers + 1


def test_the_terminal_counts_by_reason_in_the_shops_words(
    town: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HABITUE_DATABASE_URL", town.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HABITUE_OUT", str(tmp_path))
    monkeypatch.setattr("habitue.cli_trace.console._width", 160)
    out = tmp_path / "m.csv"
    asked: list[Any] = ["minimums", "--on", ON.isoformat()]
    done = CliRunner().invoke(app, [*asked, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "8 clients, dont 8 sans lettre depuis 91 jours et 8 sans appel depuis 365 jours" in done.output
    assert "Sans accord" in done.output
    assert out.exists()
    counted = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)
    assert counted["call"]["why"] == {"no_consent": 4, "not_offered": 1, "objected": 1, "deceased": 1, "minor": 1}
    assert counted["on"] == ON.isoformat()

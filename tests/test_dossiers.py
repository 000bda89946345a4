"""What is held on a person is told to the person, all of it, and to nobody else."""

from __future__ import annotations

import base64
import io
import json
import logging
import stat
from pathlib import Path
from uuid import uuid4

import pytest
from pypdf import PdfReader
from sqlalchemy import text
from typer.testing import CliRunner

from habitue.cli import app
from habitue.dossiers import dossier, write_dossier
from habitue.errors import LedgerError
from habitue.holdings import HOLDINGS, nothing_of
from habitue.house import House
from lived_in import lived, one, person, town
from search import needles, plain
from test_runs import ON, now

__all__ = ["lived", "town"]


def test_boris_is_told_all_that_is_held_on_him_and_nobody_else_is_named(
    town: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    boris, anna = person(town, "call"), person(town, "letter")
    for name, value in {
        "HABITUE_OUT": str(town.out),
        "HABITUE_DATABASE_URL": town.database_url,
        "HABITUE_SECRET": "for tests only",
    }.items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.DEBUG):
        said = CliRunner().invoke(app, ["person", "export", boris["customer_id"]])
    assert said.exit_code == 0, said.output
    path = town.out / "persons" / f"{boris['customer_id']}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = json.loads(path.read_text("utf-8"))
    whole = plain(path.read_text("utf-8"))
    assert all(value in whole for value in needles(boris).values())
    assert not any(value in whole for value in needles(anna).values())
    assert not any(value in plain(said.output + caplog.text) for value in needles(boris).values())

    assert told["version"] == 1
    assert told["base"]["customer"][0]["email"] == boris["email"]
    assert {row["channel"] for row in told["base"]["consent"]} <= {"letter", "email", "call"}
    assert told["base"]["message"]
    assert told["lake"]["snapshots"][ON.isoformat()]["customers.parquet"][0]["last_name"] == boris["last_name"]
    lines = one(
        town, "select orders from segment where customer_id = :id", id=boris["customer_id"]
    )  # in the window; the lake holds the rest too
    assert len(told["lake"]["orders"]) >= lines
    assert [Path(row["file"]).suffix for row in told["calls"]] == [".csv", ".xlsx"]
    assert told["nights"]
    assert told["facts"]
    assert set(told) >= {holding.name for holding in HOLDINGS if holding.export is not nothing_of}


def test_annas_letter_is_in_it_as_it_was_printed_and_emmas_mail_as_text(town: House) -> None:
    anna, emma = person(town, "letter"), person(town, "email")
    letters = dossier(town, anna["customer_id"], at=now())["letters"]
    assert {row["file"].split("/")[0] for row in letters} == {"runs", "letters"}
    assert len(letters) == 4  # she was printed twice
    for row in letters:
        pages = PdfReader(io.BytesIO(base64.b64decode(row["pdf_base64"]))).pages
        assert len(pages) == row["pages"]
        assert plain(anna["street"]) in plain(pages[0].extract_text())
        assert plain(anna["street"]) in plain("".join(row["manifest"][f"l{place}"] for place in range(1, 8)))
    found = dossier(town, emma["customer_id"], at=now())
    assert found["mails"][0]["to_address"] == emma["email"]
    assert emma["last_name"] in found["mails"][0]["text"]
    assert [row["claims"] for row in found["journal"]] == [1] * len(found["journal"]) != []


def test_a_second_number_of_the_same_person_is_named_and_left_apart(town: House) -> None:
    anna = person(town, "letter")
    with town.engine.begin() as connection:
        connection.execute(
            text("update customer set person_mark = :mark where customer_id = (select max(customer_id) from customer)"),
            {"mark": anna["person_mark"]},
        )
    other = one(town, "select max(customer_id) from customer")
    found = dossier(town, anna["customer_id"], at=now())
    assert found["also_known_as"] == [other]
    assert {row["customer_id"] for row in found["base"]["customer"]} == {anna["customer_id"]}


def test_what_is_suppressed_of_her_is_told_with_the_reason(town: House) -> None:
    anna = person(town, "letter")
    with town.engine.begin() as connection:
        connection.execute(
            text(
                "insert into suppression (channel, mark, reason, recorded_at, mark_key, source) "
                "select 'email', email_mark, 'hard_bounce', now(), mark_key, 'sendgrid' from customer "
                "where customer_id = :id"
            ),
            {"id": anna["customer_id"]},
        )
        connection.execute(
            text(
                "insert into outcome (message_id, kind, occurred_at, recorded_at, source, source_key) "
                "select message_id, 'returned', now(), now(), 'printer', :key from message "
                "where customer_id = :id and channel = 'letter'"
            ),
            {"id": anna["customer_id"], "key": str(uuid4())},
        )
    found = dossier(town, anna["customer_id"], at=now())["base"]
    assert [row["reason"] for row in found["suppression"]] == ["hard_bounce"]
    assert "returned" in [row["kind"] for row in found["outcome"]]
    assert {told["event"]["email"] for told in found["webhook_post"]} <= {anna["email"]}


def test_of_a_stranger_nothing_is_written(town: House, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="neither the base nor the lake knows"):
        write_dossier(town, "nobody", at=now(), out=tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()

"""The hourly round: each source's news once, the printer's files one by one, and nobody named in what is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from earlier_runs import earlier_message
from habitue import events, funnels, gathering
from habitue.errors import SourceError
from habitue.house import House
from habitue.shop import ReturnsSettings
from people import ANNA, AT, BORIS, move_in
from purchase_histories import house_on

RUN = date(2026, 10, 1)
LATER = AT + timedelta(days=10)


@pytest.fixture
def shop(base: Engine, tmp_path: Path) -> Iterator[House]:
    move_in(base)
    house = house_on(base, tmp_path)
    gathering.inbox_of(house).mkdir(parents=True)
    yield house
    house.engine.dispose()


def letter(house: House, who: str) -> UUID:
    with house.engine.begin() as connection:
        return earlier_message(connection, "spring", RUN, who, channel="letter")  # type: ignore[no-any-return]


def told(house: House) -> list[tuple[str, str, str]]:
    with house.engine.connect() as connection:
        rows = connection.execute(
            text("select customer_id, kind, source from outcome join message using (message_id) order by 1, 2")
        )
        return [tuple(row) for row in rows]


def test_the_printer_s_files_are_taken_in_one_by_one_and_a_bad_one_is_named(shop: House) -> None:
    inbox, anna, boris = gathering.inbox_of(shop), letter(shop, ANNA), letter(shop, BORIS)
    (inbox / "1-monday.csv").write_text(f"letter_id;status;name;street\n{anna};mailed;Anna;12 rue des Lilas\n")
    (inbox / "2-bad.csv").write_text(f"letter_id;status\n{boris};lost\n")
    (inbox / "3-tuesday.csv").write_text(f"letter_id;status\n{boris};undeliverable\n")
    (inbox / "4-wednesday.csv.part").write_text("letter_id;status\n")
    with pytest.raises(SourceError, match=r"1 of the files in inbox/ can't be taken in, 2 others were: 2-bad\.csv: "):
        gathering.printer_files(shop, at=LATER)
    assert told(shop) == [(ANNA, "mailed", "printer"), (BORIS, "returned", "printer")]
    assert sorted(path.name for path in inbox.glob("*.*")) == ["2-bad.csv", "4-wednesday.csv.part"]
    done = sorted((inbox / "done").iterdir())
    assert [path.name for path in done] == ["20261011T080000-1-monday.csv", "20261011T080000-3-tuesday.csv"]
    assert done[0].read_text() == f"letter_id,status\n{anna},mailed\n"
    # Mended, and sent again with what was told before.
    (inbox / "2-bad.csv").write_text(f"letter_id;status\n{boris};mailed\n{anna};mailed\n")
    counts = {"files": 1, "lines": 2, "new": 1, "known": 1, "suppressed": 0}
    assert gathering.printer_files(shop, at=LATER) == counts
    assert gathering.printer_files(shop, at=LATER) == dict.fromkeys(counts, 0)


def test_a_shop_may_say_where_the_printer_puts_them(shop: House, tmp_path: Path) -> None:
    letters = shop.shop.letters.model_copy(update={"returns": tmp_path / "from-the-printer"})
    elsewhere = replace(shop, shop=shop.shop.model_copy(update={"letters": letters}))
    assert gathering.inbox_of(elsewhere) == tmp_path / "from-the-printer"
    assert gathering.printer_files(elsewhere, at=LATER)["files"] == 0  # the folder need not be there yet


def test_what_the_webhook_took_is_applied_once_and_nobody_is_named(shop: House) -> None:
    with shop.engine.begin() as connection:
        mail = earlier_message(connection, "spring", RUN, ANNA)
    news = {"event": "delivered", "email": "anna@example.fr", "timestamp": int(AT.timestamp()), "message_id": str(mail)}
    events.store(shop.engine, [(AT, json.dumps([news]).encode())])
    done = gathering.provider_events(shop, at=LATER)
    assert (done["posts"], done["new"]) == (1, 1)
    assert "anna" not in json.dumps(done)
    assert gathering.provider_events(shop, at=LATER)["posts"] == 0
    assert told(shop) == [(ANNA, "delivered", "sendgrid")]


def test_what_a_shop_has_not_set_up_is_skipped_and_what_it_has_is_read(shop: House, tmp_path: Path) -> None:
    assert "skipped" in gathering.returned_mails(shop, at=LATER)
    assert "skipped" in gathering.provider_suppressions(shop, at=LATER)
    for name in ("cur", "new", "tmp"):
        (tmp_path / "mail" / name).mkdir(parents=True)
    sender = shop.shop.sender.model_copy(update={"returns": ReturnsSettings(maildir=tmp_path / "mail")})
    reading = replace(shop, shop=shop.shop.model_copy(update={"sender": sender}))
    assert gathering.returned_mails(reading, at=LATER)["read"] == 0


def test_a_large_run_is_counted_every_hour_until_the_post_brings_nothing_back_any_more(
    shop: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("habitue.funnels.LIVE", -1)
    letter(shop, ANNA)
    assert funnels.funnel(shop.engine, f"spring:{RUN}", at=LATER) is None
    assert gathering.counted_outcomes(shop, at=LATER) == {"runs": 1, "large": 0, "shop": False}
    found = funnels.funnel(shop.engine, f"spring:{RUN}", at=LATER + timedelta(minutes=5))
    assert found is not None
    assert (found.counted_at, found.whole.accepted) == (LATER, 1)
    assert gathering.counted_outcomes(shop, at=LATER + funnels.NEWS)["runs"] == 0


def test_every_step_can_be_told_as_json(shop: House) -> None:
    for step in gathering.STEPS.values():
        assert json.loads(json.dumps(step(shop, at=LATER)))

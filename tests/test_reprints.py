"""Letters printed again: only those, each once, for those who may still be written to."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path

import pypdfium2
import pytest
from sqlalchemy import insert, text, update
from typer.testing import CliRunner

from habitue import controls, holds, lot_book, outcomes
from habitue.cli import app
from habitue.errors import LedgerError, SendError, Waiting
from habitue.house import House
from habitue.outcomes import Event
from habitue.reprints import Reprint, Wanted, places, reprint
from habitue.tables import Hold, OutcomeKind, consent, customer
from letter_town import LOT_1, RUN, customers_by_letter, house, lots_of, manifest, planned, sent
from people import AT, KEY, ON, SECRET, event, marked, person

__all__ = ["house"]

LATER = AT + timedelta(days=10)
WHY = {"reason": "paper jam", "by": "olga"}


@pytest.fixture
def town(house: House) -> House:
    """Their letters have left, in two lots of six."""
    sent(house, planned(house))
    return house


def again(house: House, *, at: datetime = LATER, **wanted: object) -> Reprint:
    return reprint(house, RUN, Wanted(**wanted), **WHY, on=at.date(), now=lambda: at)[-1]  # type: ignore[arg-type]


def pages(lot: Path) -> list[str]:
    """What stands on each page, blank backs left out."""
    document = pypdfium2.PdfDocument(lot / f"{lot.name}.pdf")
    texts = [str(page.get_textpage().get_text_bounded()) for page in document]
    return [said for said in texts if said.strip()]


def folder(house: House, number: int) -> Path:
    return house.out / "letters" / f"LOT-spring-{ON}-{number:03}"


def ledger_rows(house: House) -> list[tuple[object, ...]]:
    with house.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text("select * from message order by message_id"))]


def test_places_are_read_as_people_write_them() -> None:
    assert places("12-14, 77,13") == (12, 13, 14, 77)
    for wrong in ("", "12-", "0", "14-12", "a", "1;2"):
        with pytest.raises(LedgerError, match="places are written like 12-40,77"):
            places(wrong)


def test_a_spoilt_range_is_a_new_lot_equal_to_the_original_but_for_its_places(town: House) -> None:
    before = ledger_rows(town)
    done = again(town, number=1, seqs=(2, 3, 5))
    assert done == Reprint(f"LOT-spring-{ON}-003", 3, {})
    old, new = manifest(folder(town, 1)), manifest(folder(town, 3))
    assert [row["seq"] for row in new] == ["1", "2", "3"]
    assert [row["letter_id"] for row in new] == [old[place]["letter_id"] for place in (1, 2, 4)]
    was, now = pages(folder(town, 1)), pages(folder(town, 3))
    for position, place in enumerate((1, 2, 4), start=1):
        assert f"L03-{position:06}" in now[position - 1]
        assert now[position - 1].replace(f"L03-{position:06}", f"L01-{place + 1:06}") == was[place]
    assert ledger_rows(town) == before
    (line,) = [one for one in lot_book.of_run(town.engine, RUN) if one.number == 3]
    assert (line.reason, line.made_by, line.letters) == ("paper jam", "olga", 3)
    assert (folder(town, 3) / f"{folder(town, 3).name}.done").exists()


def test_one_customers_letter_and_never_the_rest(town: House) -> None:
    done = again(town, customer_id="anna")
    (row,) = manifest(folder(town, 3))
    assert customers_by_letter(town)[row["letter_id"]] == "anna"
    assert done.letters == len(pages(folder(town, 3))) == 1


def test_a_letter_printed_again_is_named_by_its_last_place(town: House) -> None:
    again(town, number=1, seqs=(2,))
    with pytest.raises(LedgerError, match="printed again already, L01-000002 is L03-000001: name the last place"):
        again(town, number=1, seqs=(2,))
    assert again(town, number=3, seqs=(1,)).lot_id == f"LOT-spring-{ON}-004"


def test_a_place_or_a_lot_that_is_none_is_named(town: House) -> None:
    with pytest.raises(LedgerError, match="lot 1 of spring:2026-10-01 has no letter 40, 41"):
        again(town, number=1, seqs=(2, 40, 41))
    with pytest.raises(LedgerError, match="has no lot 9; it has 1, 2"):
        again(town, number=9, seqs=(1,))
    with pytest.raises(LedgerError, match="has no letter for that customer"):
        again(town, customer_id="nobody")
    assert [one.number for one in lot_book.of_run(town.engine, RUN)] == [1, 2]


def test_whoever_has_said_no_since_gets_none_even_of_a_spoilt_letter(town: House) -> None:
    letters = {who: one for one, who in customers_by_letter(town).items()}
    with town.engine.begin() as connection:
        connection.execute(insert(consent), [event("bruno", "letter", "withdrawn", AT)])
        connection.execute(update(customer).where(customer.c.customer_id == "ines").values(gone="2026-10-08"))
        connection.execute(
            update(customer).where(customer.c.customer_id == "hana").values(letter_barrier="bad_postcode")
        )
    holds.open_hold(town.engine, "elsa", Hold.ERASED, by="olga", at=AT)
    spoil(town, *letters.values())
    done = again(town, number=1, seqs=(1, 2, 3, 4, 5))
    assert done.left_out == {
        letters["elsa"]: "erased",
        letters["bruno"]: "objected",
        letters["ines"]: "gone",
        letters["hana"]: "unreachable",
    }
    assert done.letters == 1
    assert [row["seq"] for row in manifest(folder(town, 3))] == ["1"]


def test_where_nobody_is_left_nothing_is_printed(town: House) -> None:
    with town.engine.begin() as connection:
        connection.execute(insert(consent), [event("anna", "letter", "withdrawn", AT)])
    done = again(town, customer_id="anna")
    assert (done.lot_id, done.letters, list(done.left_out.values())) == (None, 0, ["objected"])
    assert not folder(town, 3).exists()


def test_an_offer_that_is_over_is_not_printed_again(town: House) -> None:
    done = again(town, customer_id="anna", at=AT + timedelta(days=400))
    assert list(done.left_out.values()) == ["offer_over"]


def test_a_corrected_address_is_the_one_that_is_printed(town: House) -> None:
    mended = marked(person("anna", street="99 cours Lafayette", postcode="69006"))
    with town.engine.begin() as connection:
        connection.execute(update(customer).where(customer.c.customer_id == "anna").values(**mended))
    again(town, customer_id="anna")
    (row,) = manifest(folder(town, 3))
    assert "99 COURS LAFAYETTE" in row.values()
    with town.engine.connect() as connection:
        mark = connection.scalar(text("select letter_mark from lot_letter where lot_id like '%-003'"))
    assert mark == mended["letter_mark"]


def spoil(house: House, *letters: str, at: datetime = LATER, kind: OutcomeKind = OutcomeKind.SPOILED) -> None:
    told = [Event(one, kind, at, "printer", f"{one}/{kind}/{at}") for one in letters]  # type: ignore[arg-type]
    outcomes.record(house.engine, told, rules=house.shop.breaker, at=at)


def test_all_that_was_spoilt_is_printed_again_once(town: House) -> None:
    letters = {who: one for one, who in customers_by_letter(town).items()}
    spoil(town, letters["anna"], letters["bruno"], at=AT + timedelta(days=1))
    spoil(town, letters["zoe"], at=AT + timedelta(days=1), kind=OutcomeKind.NOT_MAILED)
    spoil(town, letters["bruno"], at=AT + timedelta(days=2), kind=OutcomeKind.MAILED)  # they had a copy after all
    done = again(town, spoiled=True)
    assert {row["letter_id"] for row in manifest(folder(town, 3))} == {letters["anna"], letters["zoe"]}
    assert done.letters == 2
    assert again(town, spoiled=True).letters == 0
    spoil(town, letters["anna"], at=LATER + timedelta(days=1))
    assert again(town, spoiled=True, at=LATER + timedelta(days=2)).letters == 1


def test_a_reprint_is_no_larger_than_a_lot(town: House) -> None:
    spoil(town, *customers_by_letter(town), at=AT + timedelta(days=1))
    done = reprint(town, RUN, Wanted(spoiled=True), **WHY, on=LATER.date(), now=lambda: LATER)
    assert [(one.lot_id, one.letters) for one in done] == [(f"LOT-spring-{ON}-00{n}", 6) for n in (3, 4)]
    found = [row["letter_id"] for number in (3, 4) for row in manifest(folder(town, number))]
    assert found == [row["letter_id"] for number in (1, 2) for row in manifest(folder(town, number))]


def test_a_reprint_that_broke_off_is_finished_by_the_next(town: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(
            "habitue.hand_over.Folder.submit",
            lambda *_: (_ for _ in ()).throw(SendError("the cable is out", permanent=False)),
        )
        with pytest.raises(SendError):
            again(town, number=1, seqs=(1, 2))
    (waits,) = [one for one in lot_book.of_run(town.engine, RUN) if one.handed_over_at is None]
    assert (waits.number, waits.letters) == (3, 2)
    with town.engine.begin() as connection:
        connection.execute(insert(consent), [event("elsa", "letter", "withdrawn", AT)])
    first, second = reprint(town, RUN, Wanted(customer_id="zoe"), **WHY, on=LATER.date(), now=lambda: LATER)
    assert (first.lot_id, first.letters, list(first.left_out.values())) == (waits.lot_id, 1, ["objected"])
    assert (second.lot_id, second.letters) == (f"LOT-spring-{ON}-004", 1)


def test_what_lies_at_the_print_shop_is_not_printed_again_to_finish_it(
    town: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("habitue.lot_book.keep", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            again(town, number=1, seqs=(1, 2))
    with town.engine.begin() as connection:
        connection.execute(insert(consent), [event("elsa", "letter", "withdrawn", AT)])
    first, _ = reprint(town, RUN, Wanted(customer_id="zoe"), **WHY, on=LATER.date(), now=lambda: LATER)
    assert (first.lot_id, first.letters) == (f"LOT-spring-{ON}-003", 2)


def test_kill_switch_and_pause_hold_a_reprint_and_the_send_window_does_not(town: House) -> None:
    assert again(town, customer_id="zoe", at=AT + timedelta(days=59)).letters == 1
    controls.stop_all(town.engine, by="olga", reason="x", at=LATER)
    with pytest.raises(Waiting, match="nothing is printed again while it is stopped"):
        again(town, customer_id="anna")
    controls.go(town.engine, by="olga", at=LATER)
    controls.pause(town.engine, RUN, by="olga", reason="x", at=LATER)
    with pytest.raises(Waiting, match="while it is paused"):
        again(town, customer_id="anna")
    assert not folder(town, 4).exists()


def test_ops_print_again_at_a_terminal_and_see_who_was_left_out(town: House) -> None:
    with town.engine.begin() as connection:
        connection.execute(insert(consent), [event("elsa", "letter", "withdrawn", AT)])
    env = {
        "HABITUE_DATABASE_URL": town.engine.url.render_as_string(hide_password=False),
        "HABITUE_OUT": str(town.out),
        "HABITUE_SECRET": SECRET.decode(),
        "HABITUE_TODAY": date(2026, 10, 5).isoformat(),
    }

    def says(*words: str) -> str:
        done = CliRunner().invoke(app, ["letters", *words], env=env)
        assert done.exit_code == 0, done.exception or done.output
        return done.output

    told = says("reprint", RUN, "--lot", "1", "--seq", "1-2", "--why", "jam", "--by", "olga")
    assert re.search(r"left out: [0-9a-f-]{36} objected", told)
    assert f"LOT-spring-{ON}-003: 1 printed again and handed over, 1 left out" in told
    listed = says("lots", RUN, "--ask")
    assert f"{LOT_1}  6 letters, 6 pages →" in listed
    assert "· handed over · jam (olga)" in listed
    assert not any(word in told + listed for word in ("Exemple", "Lilas", "Berlin"))
    wrong = CliRunner().invoke(app, ["letters", "reprint", RUN, "--lot", "1", "--why", "x"], env=env)
    assert "say which letters: --lot with --seq" in str(wrong.exception)


def test_the_key_of_the_town_is_the_tests(town: House) -> None:
    assert town.mark_key == KEY
    assert len(lots_of(town)) == 2

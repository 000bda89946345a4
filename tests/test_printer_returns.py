"""What printer and post tell: taken once, as a whole, and an address that sends letters back is left alone."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update
from typer.testing import CliRunner

from habitue import suppressions
from habitue.cli import app
from habitue.errors import SourceError
from habitue.house import House
from habitue.lots import sequence, sheet_code
from habitue.printer_returns import Taken, take, to_mend
from habitue.reprints import Wanted, reprint
from habitue.tables import Channel, OutcomeKind, customer
from letter_town import LOT_1, LOT_2, RUN, customers_by_letter, house, lots_of, manifest, planned, sent
from people import AT, KEY, ON, SECRET, marked, person

__all__ = ["house"]

LATER = AT + timedelta(days=10)


@pytest.fixture
def town(house: House) -> House:
    """Their letters have left, in two lots of six."""
    sent(house, planned(house))
    return house


def letters(house: House) -> dict[str, str]:
    return {who: one for one, who in customers_by_letter(house).items()}


def taken(house: House, path: Path, *, at: datetime = LATER, partial: bool = False) -> Taken:
    return take(house.engine, path, shop=house.shop, key=KEY, at=at, partial=partial)


def file(tmp_path: Path, *lines: str, name: str = "returns.csv", encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path


def told(house: House) -> list[tuple[str, str, str | None]]:
    with house.engine.connect() as connection:
        rows = connection.execute(
            text(
                "select m.customer_id, o.kind, o.reason from outcome o join message m using (message_id) "
                "order by m.customer_id, o.kind"
            )
        )
        return [tuple(row) for row in rows]


def test_each_way_of_naming_a_letter_names_it(town: House, tmp_path: Path) -> None:
    first, second = (manifest(lot) for lot in lots_of(town))
    by_id = taken(town, file(tmp_path, "letter_id,status", f"{first[0]['letter_id']},printed"))
    by_place = taken(town, file(tmp_path, "lot;seq;status", f"{LOT_1};L01-000002;spoiled", f"{LOT_2};3;not_mailed"))
    code = sheet_code(ON, sequence(2, 1), 1)
    by_code = taken(town, file(tmp_path, "Barcode\tStatus\tDate\tOperator", f"{code}\tMAILED\t05/10/2026\tx"))
    assert (by_id.new, by_place.new, by_code.new) == (1, 2, 1)
    names = customers_by_letter(town)
    assert set(told(town)) == {
        (names[first[0]["letter_id"]], "printed", None),
        (names[first[1]["letter_id"]], "spoiled", None),
        (names[second[2]["letter_id"]], "not_mailed", None),
        (names[second[0]["letter_id"]], "mailed", None),
    }
    with town.engine.connect() as connection:
        mailed = connection.scalar(text("select occurred_at from outcome where kind = 'mailed'"))
    assert mailed.astimezone(town.shop.tz).date() == date(2026, 10, 5)


def test_lines_twice_and_files_twice_count_once(town: House, tmp_path: Path) -> None:
    one = letters(town)
    path = file(
        tmp_path,
        '"letter_id";"status";"date"',
        f'"{one["anna"]}";"printed";"2026-10-03"',
        f'"{one["anna"]}";"printed";"2026-10-03"',
        f'"{one["bruno"]}";"printed";"2026-10-03"',
        "",
    )
    assert (taken(town, path).lines, taken(town, path).new) == (3, 0)
    again = taken(town, path)
    assert (again.new, again.known, again.by_kind) == (0, 3, {OutcomeKind.PRINTED: 3})
    assert told(town) == [("anna", "printed", None), ("bruno", "printed", None)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("00000000-0000-0000-0000-000000000000;;;;printed;;", "no letter of ours has this letter_id"),
        ("Jeanne Exemple;;;;printed;;", "letter_id is no letter's id"),
        (f";{LOT_1};7;;printed;;", "no letter of ours has this lot and seq"),
        (";LOT-1;7;;printed;;", "lot is no lot's name"),
        (";;;20261001-L09-000001-01;printed;;", "no letter of ours has this barcode"),
        (";;;20261301-L09-000001-01;printed;;", "barcode is none of ours"),
        (";;;;printed;;", "says no letter"),
        (f";{LOT_1};1;;done;;", "status is none of printed, spoiled, not_mailed, mailed, undeliverable"),
        (f";{LOT_1};1;;undeliverable;npai;", "reason is none of moved, unknown, refused"),
        (f";{LOT_1};1;;printed;;03.10.26", "date is none"),
        (f";{LOT_1};1;;printed;;2026-12-01", "date lies in the future"),
        (f";{LOT_1};1;20261001-L01-000002-01;printed;;", "lot and barcode mean different letters"),
    ],
)
def test_a_line_that_is_unclear_is_named_and_nothing_is_taken(line: str, why: str, town: House, tmp_path: Path) -> None:
    head = "letter_id;lot;seq;barcode;status;reason;date"
    path = file(tmp_path, head, f"{letters(town)['anna']};;;;printed;;", line)
    with pytest.raises(SourceError, match=f"returns.csv: nothing was taken; line 3: {why}") as error:
        taken(town, path)
    assert "Jeanne" not in str(error.value)
    assert told(town) == []
    done = taken(town, path, partial=True)
    assert (done.lines, done.new, len(done.left_out)) == (2, 1, 1)
    assert done.left_out[0].startswith(f"line 3: {why}")


def test_a_letter_that_was_never_handed_over_can_t_have_been_printed(house: House, tmp_path: Path) -> None:
    planned(house)
    path = file(tmp_path, "letter_id;status", f"{letters(house)['anna']};printed")
    with pytest.raises(SourceError, match="line 2: this letter was never handed over"):
        taken(house, path)


def test_a_file_that_says_no_letter_or_no_status_is_named(town: House, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no column status"):
        taken(town, file(tmp_path, "letter_id;state", "x;printed"))
    with pytest.raises(SourceError, match="no column says which letter"):
        taken(town, file(tmp_path, "seq;status", "1;printed"))


def test_after_one_return_the_address_is_left_alone_and_offered_for_mending(town: House, tmp_path: Path) -> None:
    one = letters(town)
    path = file(
        tmp_path,
        "letter_id;status;reason;date",
        f"{one['anna']};undeliverable;moved;2026-10-08",
        f"{one['bruno']};undeliverable;;2026-10-08",
        encoding="cp1252",
    )
    done = taken(town, path)
    assert (done.new, done.suppressed) == (2, 2)
    assert told(town) == [("anna", "returned", "moved"), ("bruno", "returned", "other")]
    assert [(who.customer_id, who.reason, who.returned_on, who.run_id) for who in to_mend(town.engine, town.shop)] == [
        ("anna", "moved", date(2026, 10, 8), RUN),
        ("bruno", "other", date(2026, 10, 8), RUN),
    ]
    assert left_out(town, "anna") == ["suppressed"]
    mend(town, "anna")
    assert [who.customer_id for who in to_mend(town.engine, town.shop)] == ["bruno"]
    assert left_out(town, "anna") == []


def left_out(house: House, who: str) -> list[str]:
    asked = Wanted(customer_id=who)
    done = reprint(house, RUN, asked, reason="x", by="olga", on=LATER.date(), now=lambda: LATER)
    return list(done[-1].left_out.values())


def mend(house: House, who: str) -> None:
    corrected = marked(person(who, street="99 cours Lafayette", postcode="69006"))
    with house.engine.begin() as connection:
        connection.execute(update(customer).where(customer.c.customer_id == who).values(**corrected))


def test_the_address_that_is_suppressed_is_the_one_that_was_printed(town: House, tmp_path: Path) -> None:
    """Anna had moved and told the shop before the post brought her letter back."""
    mend(town, "anna")
    taken(town, file(tmp_path, "lot;seq;status;reason", *where(town, "anna", "undeliverable;moved")))
    assert to_mend(town.engine, town.shop) == []
    assert left_out(town, "anna") == []
    old = suppressions.letter_box("AnnaExemple", "12 rue des Lilas", "69003")
    with town.engine.connect() as connection:
        assert connection.scalar(text("select mark from suppression")) == KEY.mark(old)


def where(house: House, who: str, rest: str) -> list[str]:
    names = customers_by_letter(house)
    return [
        f"{lot.name};{row['seq']};{rest}"
        for lot in lots_of(house)
        for row in manifest(lot)
        if names[row["letter_id"]] == who
    ]


def test_what_somebody_has_lifted_is_not_suppressed_again_by_the_same_file(town: House, tmp_path: Path) -> None:
    path = file(tmp_path, "letter_id;status", f"{letters(town)['anna']};undeliverable")
    assert taken(town, path).suppressed == 1
    box = suppressions.letter_box("AnnaExemple", "12 rue des Lilas", "69003")
    assert suppressions.lift(town.engine, Channel.LETTER, [box], key=KEY, by="olga", at=LATER) == 1
    assert (taken(town, path).suppressed, to_mend(town.engine, town.shop)) == (0, [])


def test_a_reprint_that_comes_back_is_told_apart_from_the_letter_that_was_spoilt(town: House, tmp_path: Path) -> None:
    first = where(town, "anna", "spoiled;2026-10-02")
    assert taken(town, file(tmp_path, "lot;seq;status;date", *first)).new == 1
    reprint(town, RUN, Wanted(spoiled=True), reason="jam", by="olga", on=LATER.date(), now=lambda: LATER)
    again = f"LOT-spring-{ON}-003;1;spoiled;2026-10-02"
    assert taken(town, file(tmp_path, "lot;seq;status;date", *first, again)).new == 1


def test_two_campaigns_of_a_day_share_a_barcode_and_the_lot_tells_them_apart(town: House, tmp_path: Path) -> None:
    with town.engine.begin() as connection:
        connection.execute(text("create temp table twin on commit drop as select * from run"))
        connection.execute(text("update twin set run_id = 'summer:2026-10-01', campaign = 'summer', number = 900"))
        connection.execute(text("insert into run overriding system value select * from twin"))
        connection.execute(
            text(
                "insert into lot (lot_id, run_id, number, made_at, handed_over_at) "
                "values ('LOT-summer-2026-10-01-001', 'summer:2026-10-01', 1, :at, :at)"
            ),
            {"at": AT},
        )
        connection.execute(
            text(
                "insert into lot_letter select 'LOT-summer-2026-10-01-001', seq, message_id, first_page, pages, "
                "letter_mark from lot_letter where lot_id like '%-002'"
            )
        )
    code = sheet_code(ON, sequence(1, 1), 1)
    with pytest.raises(SourceError, match="two campaigns of that day have this barcode: give the column lot, too"):
        taken(town, file(tmp_path, "barcode;status", f"{code};printed"))
    assert taken(town, file(tmp_path, "lot;barcode;status", f"{LOT_1};{code};printed")).new == 1


def test_the_desk_takes_a_file_and_gets_its_list(town: House, tmp_path: Path) -> None:
    env = {
        "HABITUE_DATABASE_URL": town.engine.url.render_as_string(hide_password=False),
        "HABITUE_OUT": str(town.out),
        "HABITUE_SECRET": SECRET.decode(),
        "HABITUE_TODAY": "2026-10-12",
    }

    def says(*words: str) -> str:
        done = CliRunner().invoke(app, ["letters", *words], env=env)
        assert done.exit_code == 0, done.exception or done.output
        return done.output

    one = letters(town)
    path = file(tmp_path, "letter_id;status;reason", f"{one['anna']};undeliverable;refused", "x;printed;")
    told_ = says("return", str(path), "--partial")
    assert "left out: line 3: letter_id is no letter's id" in told_
    assert "2 lines = 1 new + 0 told before + 1 left out" in told_
    assert "1 addresses suppressed for letters" in told_
    assert "anna  refused  2026-10-12  spring:2026-10-01\n1 addresses to mend" in says("mend")
    assert "1 customers →" in says("mend", "--out", str(tmp_path / "mend.csv"))
    assert '"anna";"refused";"12/10/2026"' in (tmp_path / "mend.csv").read_text("utf-8-sig")

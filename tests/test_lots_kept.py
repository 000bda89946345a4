"""How long the files of lots lie here, and what stays when they go."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert, text

from habitue import printer_returns, runs
from habitue.house import House
from habitue.limits import Retention
from habitue.reprints import Wanted, reprint
from habitue.retention import Retained, retain
from habitue.tables import consent
from letter_town import LOT_1, LOT_2, RUN, house, lots_of, manifest, planned, sent
from people import AT, ON, event

__all__ = ["house"]

DAYS = Retention().lots_days


def looked_through(house: House, days: int, *, dry_run: bool = False) -> Retained:
    later = timedelta(days=days)
    return retain(house, on=ON + later, at=AT + later, by="olga", dry_run=dry_run)


def lying_here(house: House) -> set[str]:
    return {path.relative_to(house.out).parts[0] for path in house.out.rglob("LOT-*") if path.is_dir()}


def test_a_lot_lies_here_for_its_days_and_then_goes_with_its_copy(house: House) -> None:
    sent(house, planned(house))
    assert lying_here(house) == {"runs", "letters"}
    looked_through(house, DAYS)
    assert lying_here(house) == {"runs", "letters"}
    assert looked_through(house, DAYS + 2, dry_run=True).files["lots_days"] == 8
    assert lying_here(house) == {"runs", "letters"}
    assert looked_through(house, DAYS + 2).files["lots_days"] > 0
    assert lying_here(house) == set()
    assert not list(house.out.rglob("LOT-*"))
    assert looked_through(house, DAYS + 3).files["lots_days"] == 0


def test_a_letter_that_comes_back_afterwards_is_still_known_and_can_be_printed_again(
    house: House, tmp_path: Path
) -> None:
    sent(house, planned(house))
    first = manifest(lots_of(house)[0])[0]
    looked_through(house, DAYS + 2)
    told = tmp_path / "returns.csv"
    told.write_text(f"barcode;status;reason\n{first['barcode']};undeliverable;moved\n")
    done = printer_returns.take(
        house.engine, told, shop=house.shop, key=house.mark_key, at=AT + timedelta(days=DAYS + 3)
    )
    assert (done.new, done.suppressed) == (1, 1)
    (again,) = reprint(
        house, RUN, Wanted(number=2, seqs=(1,)), reason="lost", by="olga", on=ON, now=lambda: AT + timedelta(days=1)
    )
    assert again.letters == 1
    assert again.lot_id not in (LOT_1, LOT_2)


def test_a_lot_that_waits_for_its_hand_over_stays_and_one_that_nobody_waits_for_goes(house: House) -> None:
    parts = planned(house)
    for part in parts:
        runs.render(house, part)
    assert looked_through(house, DAYS + 2, dry_run=True).files["lots_days"] == 0
    with house.engine.begin() as connection:
        connection.execute(text("update message set state = 'cancelled' where shard = 1"))
        connection.execute(insert(consent), [event("bruno", "letter", "withdrawn", AT)])
    looked_through(house, DAYS + 2)
    assert [path.name for path in house.out.rglob("LOT-*") if path.is_dir()] == [LOT_2]

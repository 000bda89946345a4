"""The demonstration shop a quarter later: a true effect is planted in it, and the report's interval finds it."""

from __future__ import annotations

import csv
import gzip
import os
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from habitue.demo_orders import calendar, lives, purchases
from habitue.demo_quarter import LIFT, YEAR, Quarter, Sent, comes_again, is_moved, write_quarter
from habitue.effects import Side, effect
from habitue.errors import SettingError

SINCE, UNTIL = date(2026, 10, 1), date(2026, 12, 31)
SEEDS = int(os.environ.get("SEEDS", "100"))
SHOP = calendar(SINCE - timedelta(days=1))


def customers(exports: Path) -> list[str]:
    with (exports / "clients.csv").open(newline="", encoding="utf-8") as table:
        return sorted({row["id_client"] for row in csv.DictReader(table, delimiter=";")})


def lines(folder: Path) -> list[dict[str, str]]:
    with gzip.open(folder / "commandes.csv.gz", "rt", encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter=";"))


def quarter(exports: Path, out: Path, *, seed: int = 1, lift: dict[str, float] | None = None) -> Quarter:
    sent = [Sent(who, "letter", SINCE, f"CODE-{who}") for who in customers(exports)[::2]]
    return write_quarter(exports, out, since=SINCE, until=UNTIL, seed=seed, sent=sent, lift=lift or LIFT)


def test_what_was_there_stays_and_the_new_orders_are_of_the_quarter(exports: Path, tmp_path: Path) -> None:
    found, before = quarter(exports, tmp_path), lines(exports)
    now = lines(tmp_path)
    assert now[: len(before)] == before
    new = now[len(before) :]
    days = {date(*(int(part) for part in reversed(row["date_heure"][:10].split("/")))) for row in new}
    assert SINCE <= min(days) <= max(days) <= UNTIL
    orders = {row["no_commande"] for row in new}
    assert not orders & {row["no_commande"] for row in before}
    old = set(customers(exports))
    assert (
        len({row["no_commande"] for row in new if row["id_client"] in old}) == found.again + found.extra + found.returns
    )
    assert len(orders) == found.again + found.extra + found.returns + found.their_orders
    assert len([row for row in new if row["quantite"].startswith("-") and row["id_client"] in old]) == found.returns
    came = set(customers(tmp_path)) - old
    assert 0 < len(came) == found.newcomers < 0.2 * len(old)
    assert {row["id_client"] for row in new} - old <= came
    assert len({row["no_commande"] for row in new if row["code_avantage"].startswith(("CODE", "code"))}) == found.codes
    assert found.extra > 0
    assert {path.name for path in tmp_path.iterdir()} == {"clients.csv", "commandes.csv.gz", "consentements.csv"}


def test_the_same_seed_gives_the_same_bytes(exports: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        quarter(exports, tmp_path / name, seed=seed)
    a, b, c = ((tmp_path / name / "commandes.csv.gz").read_bytes() for name in "abc")
    assert a == b != c


def test_codes_are_given_by_those_who_have_one_and_by_a_few_friends(exports: Path, tmp_path: Path) -> None:
    """As a till takes them down: what the book of credits reads of them is one of those that were sent."""
    found = quarter(exports, tmp_path, lift={"letter": 0.5})
    orders = {row["no_commande"]: row for row in lines(tmp_path)[len(lines(exports)) :]}
    orders = {number: row for number, row in orders.items() if row["code_avantage"].upper().startswith("CODE")}
    sent = {f"CODE-{who}" for who in customers(exports)[::2]}
    read = {number: "CODE-" + row["code_avantage"].strip().upper()[-8:] for number, row in orders.items()}
    assert set(read.values()) <= sent
    friends = [number for number, code in read.items() if code != f"CODE-{orders[number]['id_client']}"]
    assert len(orders) == found.codes
    assert 0 < len(friends) == found.friends < 0.2 * found.codes
    assert len({row["code_avantage"][4] == "-" for row in orders.values()}) == 2
    assert any(row["code_avantage"] != row["code_avantage"].upper() for row in orders.values())


def test_a_year_before_must_be_known(exports: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="within 364 days"):
        write_quarter(exports, tmp_path, since=SINCE, until=SINCE + YEAR, seed=1, sent=[])


def test_the_reports_interval_covers_the_planted_effect_in_about_95_of_100_shops() -> None:
    """Each seed is another shop of the demonstration's own model, with another holdout. The truth is known: who bought
    because of the message, and would not have bought. SEEDS=1000 tries more of them."""
    covered = Counter[bool]()
    for seed in range(SEEDS):
        rng = np.random.default_rng([seed, 77])
        who = lives(rng, 1500, SHOP)
        sales = purchases(rng, who, SHOP)
        day = SHOP.start + sales["minute"] // 1440
        last_year = (
            (day >= np.datetime64(SINCE - YEAR)) & (day <= np.datetime64(UNTIL - YEAR)) & (sales["quantity"] > 0)
        )
        order, place = np.unique(sales["order"][last_year], return_index=True)
        buyer = sales["customer"][last_year][place]
        anyway = np.zeros(len(who), bool)
        anyway[buyer[comes_again(rng, len(order))]] = True
        moved = is_moved(rng, ["letter"] * len(who))
        held = rng.random(len(who)) < 0.2
        truth = LIFT["letter"] * float((~anyway).mean())
        bought = anyway | (moved & ~held)
        found = effect(
            Side(int((~held).sum()), int(bought[~held].sum())), Side(int(held.sum()), int(bought[held].sum()))
        )
        assert found is not None
        covered[truth in found.interval] += 1
    assert covered[True] / SEEDS >= 0.95 - 3 * (0.05 * 0.95 / SEEDS) ** 0.5

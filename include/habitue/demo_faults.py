"""What is wrong in the demonstration shop's exports: planted on purpose, counted by kind, one fault a row.

Of the customers a share `spoilt` is hit, of the order lines and the consents a tenth of it. The kinds take turns, so
that each comes about as often as the others.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Raw = dict[str, dict[int, str]]
"""What a text file says where a typed one can't: column → row → text."""

CUSTOMER_FAULTS = (
    "email_without_at",
    "placeholder_name",
    "postcode_of_4_digits",
    "town_missing",
    "phone_of_5_digits",
    "impossible_birth_date",
    "line_break_in_name",
    "formula_in_name",
    "jinja_in_name",
    "typst_in_name",
    "duplicate_customer",
)
LINE_FAULTS = ("line_without_customer", "duplicate_line", "unparseable_date", "empty_amount")
CONSENT_FAULTS = ("unknown_channel",)

PLACEHOLDERS = ("xxx", "TEST", "N/A", None)
UNPARSEABLE_DATES = ("32/13/2025 10:00", "00/00/0000 00:00", "hier")
UNKNOWN_CHANNELS = ("SMS", "fax", "minitel")
LINE_BREAK = "\r\nBcc: tous@example.com"
FORMULA = '=HYPERLINK("http://example.com/";"Cliquez ici")'
JINJA = "{{ 7*7 }}"
TYPST = "#set page(fill: red)"


def spoil_people(
    rng: np.random.Generator, people: dict[str, Array], spare: Array, share: float, until: np.datetime64
) -> tuple[dict[str, Array], Raw, Counter[str]]:
    """The customers with faults; a customer written twice comes again after all the others. Those at the places
    `spare` are left alone."""
    count = len(people["id_client"])
    chosen = np.setdiff1d(rng.permutation(count), spare, assume_unique=True)[: round(share * count)]
    raw: Raw = {"date_naissance": {}}
    counts: Counter[str] = Counter()
    twice = []
    for turn, place in enumerate(chosen.tolist()):
        kind = CUSTOMER_FAULTS[turn % len(CUSTOMER_FAULTS)]
        counts[kind] += 1
        variant = turn // len(CUSTOMER_FAULTS)
        if kind == "duplicate_customer":
            twice.append(place)
        elif kind == "impossible_birth_date":
            _spoil_birthday(people, place, variant, until, raw)
        elif kind.endswith("_name"):
            _spoil_name(people, place, kind, variant)
        else:
            _spoil_contact(people, place, kind)
    rows = np.concatenate([np.arange(count), np.array(twice, dtype=np.int64)])
    return {name: column[rows] for name, column in people.items()}, raw, counts


def _spoil_name(people: dict[str, Array], place: int, kind: str, variant: int) -> None:
    column = people[("nom", "prenom")[variant % 2]]
    column[place] = {
        "placeholder_name": PLACEHOLDERS[variant % len(PLACEHOLDERS)],
        "line_break_in_name": f"{column[place]}{LINE_BREAK}",
        "formula_in_name": FORMULA,
        "jinja_in_name": JINJA,
        "typst_in_name": TYPST,
    }[kind]


def _spoil_birthday(people: dict[str, Array], place: int, variant: int, until: np.datetime64, raw: Raw) -> None:
    if variant % 3 == 0:  # no typed column can hold this day: there it is one of the year 1800
        raw["date_naissance"][place] = "31/02/1985"
    years = (until.astype("datetime64[Y]") + 5) if variant % 3 == 2 else np.datetime64("1800", "Y")
    people["date_naissance"][place] = years.astype("datetime64[D]")


def _spoil_contact(people: dict[str, Array], place: int, kind: str) -> None:
    if kind == "email_without_at":
        people["courriel"][place] = f"{people['id_client'][place].lower()}.example.fr"
    elif kind == "phone_of_5_digits":
        people["telephone"][place] = "01 990"
    else:
        if people["code_postal"][place] is None:
            people["adresse"][place] = "12 rue des Tilleuls"
            people["code_postal"][place], people["ville"][place] = "01000", "Bourg-en-Bresse"
        if kind == "postcode_of_4_digits":  # a spreadsheet took it for a number, or a key was missed
            people["code_postal"][place] = people["code_postal"][place][1:]
        else:
            people["ville"][place] = None


def faults_in_lines(lines: int, share: float) -> dict[str, int]:
    """How many order lines of each kind are to be spoilt among so many."""
    total = round(share / 10 * lines)
    return {kind: (total + len(LINE_FAULTS) - 1 - turn) // len(LINE_FAULTS) for turn, kind in enumerate(LINE_FAULTS)}


def add_strangers(rng: np.random.Generator, lines: dict[str, Array], count: int) -> dict[str, Array]:
    """Lines that somebody bought who did not say who he was: an order each, like one that a customer made."""
    sales = np.flatnonzero(lines["quantity"] > 0)
    models = sales[rng.integers(0, len(sales), count if len(sales) else 0)]
    first = int(lines["order"].max(initial=-1)) + 1
    bought = {name: column[models] for name, column in lines.items()}
    bought["customer"] = np.full(len(models), -1)
    bought["order"] = first + np.arange(len(models))
    return {name: np.concatenate([lines[name], bought[name]]) for name in lines}


def spoil_lines(
    rng: np.random.Generator, lines: dict[str, Array], count: dict[str, int]
) -> tuple[dict[str, Array], Array, Array, Counter[str]]:
    """Numbered lines with some twice; the rows whose date can't be read; the rows without an amount; the counts."""
    known = np.flatnonzero(lines["customer"] >= 0)
    chosen = rng.permutation(known)
    ends = np.cumsum([count["duplicate_line"], count["unparseable_date"], count["empty_amount"]])
    twice, undated, unpriced, _ = np.split(chosen, ends)
    rows = np.sort(np.concatenate([np.arange(len(lines["order"])), twice]))
    found = {
        "line_without_customer": int(len(lines["order"]) - len(known)),
        "duplicate_line": len(twice),
        "unparseable_date": len(undated),
        "empty_amount": len(unpriced),
    }
    undated_rows = np.flatnonzero(np.isin(rows, undated))
    unpriced_rows = np.flatnonzero(np.isin(rows, unpriced))
    return {name: column[rows] for name, column in lines.items()}, undated_rows, unpriced_rows, Counter(found)


def spoil_consents(
    rng: np.random.Generator, events: dict[str, Array], share: float
) -> tuple[dict[str, Array], Counter[str]]:
    """Some events twice, the second time on a channel that nobody knows."""
    count = len(events["customer"])
    twice = rng.permutation(count)[: round(share / 10 * count)]
    rows = np.sort(np.concatenate([np.arange(count), twice]))
    again = np.flatnonzero(np.diff(rows, prepend=-1) == 0)
    events = {name: column[rows] for name, column in events.items()}
    events["canal"][again] = np.array(UNKNOWN_CHANNELS, dtype=object)[np.arange(len(again)) % len(UNKNOWN_CHANNELS)]
    return events, Counter({"unknown_channel": len(again)})

"""The call list: the right people in the right order, what to say to them, and nothing that a spreadsheet computes."""

from __future__ import annotations

import csv
import re
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from habitue import calls
from habitue.calls import CallRow, CallScript, Disposition, display_number, write_call_list
from habitue.errors import TemplateError
from habitue.shop import load_shop

SHOP = load_shop()
ON = date(2026, 10, 5)
KNOWN = {"last_purchase": date(2024, 11, 3), "favourite": "Darjeeling", "purchases": 12, "this_year": 0}
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"

BORIS = CallRow(
    message_id="7d1c-0001",
    rank=1,
    customer_id="c-1",
    name="Boris Vasseur",
    phone="+33199000112",
    language="fr",
    best_time="mardi, 17:00–20:00",
    last_purchase=date(2024, 11, 3),
    favourite="Darjeeling de printemps",
    value_cents=123_450,
    why=["12 visites", "panier moyen : 102 €"],
    consent_until=date(2026, 12, 1),
    offer_code="7K3MQ-9XFT2",
    script="Bonjour,\n\nc'est un appel commercial.",
)
"""Boris came often and has not come for two years; he agreed to be called."""

PAYLOADS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "  =1+1",
    '=HYPERLINK("http://x","y")',
    "=cmd|'/C calc'!A0",
    '"=1"',
    "'=1",
    "＝1+1",
    "＠SUM(1)",
    "x;=1+1",
    "x,=1+1",
    "x\n=1+1",
    "x\t@SUM(1)",
    "\x00=1",
]
NAUGHTY = [
    *PAYLOADS,
    "<r><t>x</t></r>",
    "<r>x</r>",
    "_x0041_",
    "_x0000_",
    "]]>",
    "&lt;",
    "http://example.org/x",
    "internal:Sheet1!A1",
    "007",
    "1e5",
    "TRUE",
    "{{ 7*7 }}",
    "李小龍 🍵",
    "a\ud800b",
    "\ufffe",
    "x" * 40_000,
    "🍵" * 20_000,
]


def written(folder: Path, rows: Iterable[CallRow], **changes: Any) -> int:
    return write_call_list(rows, folder / "l.xlsx", folder / "l.csv", shop=load_shop(overrides=changes), on=ON)


def table(folder: Path) -> list[list[str]]:
    with (folder / "l.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter=";"))


def sheets(folder: Path) -> list[ElementTree.Element]:
    with zipfile.ZipFile(folder / "l.xlsx") as book:
        assert book.testzip() is None
        names = sorted(name for name in book.namelist() if name.startswith("xl/worksheets/sheet"))
        return [ElementTree.fromstring(book.read(name)) for name in names]  # noqa: S314 - written by ourselves


def excel_text(text: str) -> str:
    """What Excel shows for a stored text: `_x0041_` is its way to write a character."""
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), text)


def cells(sheet: ElementTree.Element) -> Iterator[list[str]]:
    for row in sheet.iter(f"{SHEET}row"):
        yield [
            excel_text("".join(part.text or "" for part in cell.iter(f"{SHEET}t")))
            if cell.get("t") == "inlineStr"
            else (cell.findtext(f"{SHEET}v") or "")
            for cell in row.iter(f"{SHEET}c")
        ]


def test_boris_stands_on_the_list_as_he_is_to_be_rung(tmp_path: Path) -> None:
    assert written(tmp_path, [BORIS]) == 1
    heading, boris = table(tmp_path)
    assert dict(zip(heading, boris, strict=True)) == {
        "Rang": "1",
        "Nom": "Boris Vasseur",
        "Numéro à composer": "01 99 00 01 12",
        "Meilleur moment": "mardi, 17:00–20:00",
        "Dernier achat": "03/11/2024",
        "Ce qu’elle ou il achetait": "Darjeeling de printemps",
        "Achats en tout": "1234,50",
        "Pourquoi ce client compte": "12 visites\npanier moyen : 102 €",
        "Accord valable jusqu’au": "01/12/2026",
        "Code de l’offre": "7K3MQ-9XFT2",
        "Ce que l’on dit": "Bonjour,\n\nc'est un appel commercial.",
        "Résultat": "",
        "Raison du départ": "",
        "Appelé le (jour et heure)": "",
        "Appelé par": "",
        "À rappeler le (jour et heure)": "",
        "Notes": "",
        "Référence": "7d1c-0001",
    }
    in_book = list(cells(sheets(tmp_path)[0]))
    assert in_book[0] == heading
    assert in_book[1] == [{"03/11/2024": "45599", "01/12/2026": "46357", "1234,50": "1234.5"}.get(x, x) for x in boris]


def test_columns_stand_in_the_order_in_which_a_caller_needs_them(tmp_path: Path) -> None:
    written(tmp_path, [BORIS], language="en")
    assert table(tmp_path)[0] == [
        "Rank",
        "Name",
        "Number to dial",
        "Best time",
        "Last purchase",
        "What they used to buy",
        "Purchases in all",
        "Why they matter",
        "Consent valid until",
        "Offer code",
        "What to say",
        "Result",
        "Reason for leaving",
        "Called on (day and time)",
        "Called by",
        "Call back on (day and time)",
        "Notes",
        "Reference",
    ]
    assert table(tmp_path)[1][6] == "1234.50"


def starts_a_formula(field: str) -> bool:
    """As a spreadsheet sees it, also one that trims, or splits at a delimiter inside quotes."""
    return any(
        re.match(r"[\s\"]*[=+\-@＝＋－＠]", part) or part.startswith(("\t", "\r", "\0"))
        for part in re.split(r"[;,\t\n]", field)
    )


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_spreadsheet_computes_what_a_customer_is_called(tmp_path: Path, payload: str) -> None:
    row = replace(BORIS, name=payload, favourite=payload, best_time=payload, script=payload, why=[payload, payload])
    written(tmp_path, [row])
    assert not [field for field in table(tmp_path)[1] if starts_a_formula(field)]
    for sheet in sheets(tmp_path):
        assert list(sheet.iter(f"{SHEET}f")) == []
        assert list(sheet.iter(f"{SHEET}hyperlink")) == []


@pytest.mark.parametrize("name", NAUGHTY)
def test_a_naughty_name_is_text_in_the_workbook(tmp_path: Path, name: str) -> None:
    written(tmp_path, [replace(BORIS, name=name)])
    shown = list(cells(sheets(tmp_path)[0]))[1][1]
    expected = re.sub("[\x00\ud800\ufffe]", " ", name).replace("\r", "\n")
    if len(expected.encode("utf-16-le")) // 2 > 32_000:
        assert expected.startswith(shown)
        assert len(shown.encode("utf-16-le")) // 2 == 32_000
    else:
        assert shown.removeprefix(" " if expected.startswith("<r>") else "") == expected


@settings(max_examples=40, deadline=None)
@given(name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60))
@example(name="=_x003D_1")
def test_any_name_comes_through_both_files(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("calls")
    written(folder, [replace(BORIS, name=name)])
    field = table(folder)[1][1]
    assert field.replace("'", "") == re.sub("[\ufffe\uffff]", " ", name).replace("'", "")
    assert not starts_a_formula(field)
    assert list(cells(sheets(folder)[0]))[1][2] == "01 99 00 01 12"


@pytest.mark.parametrize(
    ("e164", "dialled"),
    [
        ("+33199000112", "01 99 00 01 12"),
        ("+33612345678", "06 12 34 56 78"),
        ("+262262123456", "0262 12 34 56"),
        ("+590590123456", "0590 12 34 56"),
        ("+442079460958", "00 44 20 7946 0958"),
        ("+3227123456", "00 32 2 712 34 56"),
        ("not a number", "not a number"),
        ("+", "00"),
    ],
)
def test_a_number_is_shown_as_it_is_dialled_from_france(e164: str, dialled: str) -> None:
    assert display_number(e164, "FR") == dialled
    assert not display_number(e164, "FR").startswith("+")


def test_a_number_is_shown_as_it_is_dialled_from_abroad() -> None:
    assert display_number("+33199000112", "BE").startswith("00 33 1")


def test_the_same_list_is_the_same_bytes_on_another_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "a", [BORIS])
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    written(tmp_path / "b", [BORIS])
    for name in ("l.xlsx", "l.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_list_that_breaks_off_leaves_the_last_one(tmp_path: Path) -> None:
    written(tmp_path, [BORIS])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def broken() -> Iterator[CallRow]:
        yield replace(BORIS, rank=2)
        raise TemplateError("a script can't be rendered")

    with pytest.raises(TemplateError, match="script"):
        written(tmp_path, broken())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_empty_list_is_a_list(tmp_path: Path) -> None:
    assert written(tmp_path, []) == 0
    assert len(table(tmp_path)) == 1
    assert len(list(cells(sheets(tmp_path)[0]))) == 1


def test_the_csv_opens_as_a_table_in_a_french_spreadsheet(tmp_path: Path) -> None:
    written(tmp_path, [BORIS])
    raw = (tmp_path / "l.csv").read_bytes()
    assert raw.startswith(b'\xef\xbb\xbf"Rang";"Nom";')
    assert raw.endswith(b'"7d1c-0001"\r\n')


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_caller_chooses_how_the_call_ended_from_the_list(tmp_path: Path, language: str) -> None:
    written(tmp_path, [replace(BORIS, rank=rank) for rank in range(1, 11)], language=language)
    sheet, guide = sheets(tmp_path)
    chosen = {found.get("sqref"): found.findtext(f"{SHEET}formula1") for found in sheet.iter(f"{SHEET}dataValidation")}
    assert list(chosen) == ["L2:L11", "M2:M11"]
    lines = {
        cell.get("r"): "".join(part.text or "" for part in cell.iter(f"{SHEET}t")) for cell in guide.iter(f"{SHEET}c")
    }
    offered = []
    for source in chosen.values():
        place = re.search(r"!\$([A-Z])\$(\d+):\$\1\$(\d+)$", str(source))
        assert place
        offered.append([lines.get(f"{place[1]}{row}") for row in range(int(place[2]), int(place[3]) + 1)])
    words = calls.read_words(calls.FOLDER / f"list.{language}.yaml", language)  # type: ignore[arg-type]
    assert list(words["dispositions"]) == [one.value for one in Disposition]
    assert offered == [[name for name, _ in words["dispositions"].values()], list(words["reasons"].values())]
    assert "D. 223-9" in " ".join(lines.values())
    assert SHOP.calls.hours in " ".join(lines.values())
    assert sheet.find(f"{SHEET}autoFilter").get("ref") == "A1:R11"  # type: ignore[union-attr]
    pane = sheet.find(f"{SHEET}sheetViews/{SHEET}sheetView/{SHEET}pane")
    assert pane is not None
    assert (pane.get("topLeftCell"), pane.get("state")) == ("D2", "frozen")


def about(**changes: Any) -> dict[str, Any]:
    return {
        "customer": {"civility": "M", "first_name": "Boris", "last_name": "Vasseur", "name": "Boris Vasseur"},
        "facts": KNOWN,
        "offer": {"code": "7K3MQ-9XFT2", "text": "20 € off.", "valid_until": date(2026, 12, 30)},
        **changes,
    }


@pytest.mark.parametrize("facts", [KNOWN, None, {**KNOWN, "favourite": None}, dict.fromkeys(KNOWN)])
@pytest.mark.parametrize("name", ["Boris Vasseur", "", None])
@pytest.mark.parametrize(
    ("language", "commercial", "why", "refusal"),
    [
        ("fr", "appel commercial", "éloigner", "Ne plus appeler"),
        ("en", "sales call", "stay away", "Do not call again"),
    ],
)
def test_a_script_says_who_calls_for_whom_and_why_before_it_asks(
    language: Any, commercial: str, why: str, refusal: str, name: str | None, facts: dict[str, Any] | None
) -> None:
    """Code de la consommation, L. 221-16: identity, on whose behalf and the commercial nature, at once."""
    script = CallScript.load("winback", language, SHOP).render(about(facts=facts, customer={"name": name}))
    order = [script.index(words) for words in ("Maison Tilleul", commercial, why, "20 € off.", "7K3MQ-9XFT2", refusal)]
    assert order == sorted(order)
    assert order[1] < 300
    assert "2026" in script
    assert "None" not in script
    assert ("Boris Vasseur" in script) == (name == "Boris Vasseur")
    assert ("Darjeeling" in script) == bool(facts and facts["favourite"])


def test_a_result_that_a_script_names_is_in_the_list() -> None:
    for language, quoted in (("fr", r"[Nn]otez «\s([^»]+?)\s»"), ("en", "note “([^”]+)”")):
        script = CallScript.load("winback", language, SHOP).render(about())  # type: ignore[arg-type]
        words = calls.read_words(calls.FOLDER / f"list.{language}.yaml", language)  # type: ignore[arg-type]
        named = re.findall(quoted, script)
        assert len(set(named)) == 3
        assert set(named) <= {name for name, _ in words["dispositions"].values()}


@pytest.mark.parametrize("naughty", ["{{ 7*7 }}", "{% raw %}", "{{ ''.__class__ }}", "<b>x</b>", "=1+1"])
def test_what_a_customer_is_called_stays_a_name_in_the_script(naughty: str) -> None:
    script = CallScript.load("winback", "fr", SHOP).render(
        about(customer={"name": naughty}, facts={**KNOWN, "favourite": naughty})
    )
    assert script.count(naughty) == 2


@pytest.mark.parametrize(
    ("copy", "says"),
    [
        ("{% block opening %}x{% endblock %}", "write the blocks goodbye, offer, question, refusal"),
        ("".join(f"{{% block {b} %}}{{{{ tea }}}}{{% endblock %}}" for b in calls.BLOCKS), "unknown words tea"),
        ("".join(f"{{% block {b} %}}{{{{ offer.tea }}}}{{% endblock %}}" for b in calls.BLOCKS), "tea"),
    ],
)
def test_a_mistake_in_a_script_is_found_before_anyone_is_rung(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copy: str, says: str
) -> None:
    monkeypatch.setattr(calls, "FOLDER", tmp_path)
    (tmp_path / "own.fr.j2").write_text(copy, "utf-8")
    with pytest.raises(TemplateError, match=says):
        CallScript.load("own", "fr", SHOP)

"""Envelopes: what their windows show, and letters laid out for each of them, measured as printed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pdfplumber
import pytest

from habitue import letters
from habitue.envelopes import Zone, shipped
from habitue.errors import SettingError
from habitue.letters import INCLUDE, LAYOUT, Press
from habitue.shop import Shop, load_shop
from zoes_letter import ON, letter

NAMES = ("fr_dl_45", "fr_dl_35", "fr_c5", "de_dl_b", "de_dl_a", "ch_c65_right", "us_10")
DE_C65: dict[str, Any] = {
    "size": [229, 114],
    "window": {"width": 90, "height": 45, "left": 20, "bottom": 15},
    "folds": [105, 210],
    "address": {"x": 25, "y": 66, "width": 66, "height": 24},
}


def shop_with(envelope: str, **more: Any) -> Shop:
    return load_shop(overrides={"letterhead": {"envelope": envelope}, **more})


def test_these_envelopes_come_with_the_project() -> None:
    assert tuple(shipped()) == NAMES


@pytest.mark.parametrize(
    ("name", "safe", "ever"),
    [
        ("fr_dl_45", (100, 45, 190, 79), (90, 34, 200, 90)),
        ("fr_dl_35", (100, 55, 190, 79), (90, 44, 200, 90)),
        ("fr_c5", (109, 57, 190, 88.5), (90, 43.5, 209, 102)),
        ("de_dl_b", (20, 50, 100, 90), (10, 45, 110, 95)),
        ("de_dl_a", (20, 32, 100, 72), (10, 27, 110, 77)),
        ("ch_c65_right", (117, 48, 198, 84), (98, 39, 217, 93)),
        ("us_10", (22.225, 63.5, 111.125, 82.55), (-3.175, 53.975, 136.525, 92.075)),
    ],
)
def test_a_window_shows_some_of_the_sheet_always_and_more_of_it_ever(
    name: str, safe: tuple[float, ...], ever: tuple[float, ...]
) -> None:
    """The vectors of the formula; form A is DIN 5008's own field of 27 to 72 mm, less what the sheet slides."""
    assert shipped()[name].safe == pytest.approx(safe)
    assert shipped()[name].ever == pytest.approx(ever)


def test_a_shop_may_measure_its_own_envelope() -> None:
    shop = shop_with("ours", envelopes={"ours": DE_C65})
    assert shop.envelope.safe == pytest.approx((20, 54, 91, 90))
    printed = Press(shop, on=ON).print([letter(shop)])
    assert printed.refused == []


def test_an_address_that_the_window_may_hide_is_a_wrong_setting() -> None:
    hidden = {**DE_C65, "address": {"x": 25, "y": 50, "width": 66, "height": 24}}
    with pytest.raises(SettingError, match=r"envelopes\.ours: address: .* x 20 to 91, y 54 to 90"):
        shop_with("ours", envelopes={"ours": hidden})


def test_a_sheet_larger_than_its_envelope_is_a_wrong_setting() -> None:
    with pytest.raises(SettingError, match="larger than the envelope"):
        shop_with("ours", envelopes={"ours": {**DE_C65, "folds": [148.5]}})


def test_an_unknown_envelope_is_said_with_those_that_there_are() -> None:
    with pytest.raises(SettingError, match=r"letterhead\.envelope: no such envelope; there are fr_dl_45, "):
        shop_with("c4")


@pytest.fixture(scope="module", params=NAMES)
def press(request: pytest.FixtureRequest) -> Press:
    return Press(shop_with(request.param), on=ON)


def test_every_envelope_shows_the_address_and_nothing_else(press: Press) -> None:
    """Read by another reader than the one that checks each letter."""
    zoe = replace(
        letter(press.shop),
        address=(
            "MADAME Zoé LELIÈVRE",
            "ESCALIER B",
            "BATIMENT C",
            "RES DES GRANDS TILLEULS",
            "12 RUE DE L EGLISE",
            "42000 SAINT ETIENNE",
        ),
    )
    printed = press.print([zoe])
    assert printed.refused == []
    assert printed.page_counts == [1]
    envelope, mm = press.envelope, 72 / 25.4
    with pdfplumber.open(io.BytesIO(printed.pdf)) as document:
        page = document.pages[0]
        assert (page.width / mm, page.height / mm) == pytest.approx(envelope.sheet, abs=0.01)
        ever = (max(envelope.ever.left, 0), *envelope.ever[1:])
        ever = (*ever[:2], min(ever[2], envelope.sheet[0]), ever[3])
        shown = page.within_bbox([edge * mm for edge in ever])
        sender = [] if envelope.return_line is None else [press.shop.return_address]
        assert shown.extract_text().split("\n") == [*sender, *zoe.address]
        for glyph in page.chars:
            zone = Zone(glyph["x0"] / mm, glyph["top"] / mm, glyph["x1"] / mm, glyph["bottom"] / mm)
            assert not glyph["text"].strip() or not zone.meets(envelope.ever) or envelope.safe.holds(zone)
        assert not [
            line
            for line in page.lines
            if envelope.ever.meets(Zone(line["x0"] / mm, line["top"] / mm, line["x1"] / mm, line["bottom"] / mm))
        ]
        marks = sorted({round(line["top"] / mm, 1) for line in page.lines if line["x1"] < 10 * mm})
        assert marks == [
            round(mark, 1) for mark in sorted([*envelope.folds, *([envelope.punch] if envelope.punch else [])])
        ]


@pytest.fixture
def spoil(press: Press, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Press]]:
    """A press whose layout has been tampered with."""
    broken = INCLUDE / "_broken.typ"
    monkeypatch.setattr(letters, "LAYOUT", broken)

    def tamper(old: str, new: str) -> Press:
        source = LAYOUT.read_text("utf-8")
        assert old in source
        broken.write_text(source.replace(old, new), "utf-8")
        return Press(press.shop, on=ON)

    yield tamper
    broken.unlink()


@pytest.mark.alone
@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("on-sheet(address.x, address.y,", "on-sheet(address.x, address.y - 15mm,", "address_outside_window"),
        ("on-sheet(address.x, address.y,", "on-sheet(address.x - 11mm, address.y,", "address_outside_window"),
        ("on-sheet(address.x, address.y,", "on-sheet(address.x, address.y + 120mm,", "address_outside_window"),
        (
            "  sender-line\n",
            "  sender-line\n  on-sheet(address.x, address.y + 8mm, line(length: 1mm))\n",
            "ink_in_window",
        ),
        ("  sender-line\n", "  sender-line\n  on-sheet(address.x, address.y + 20mm, [N° 4711])\n", "ink_in_window"),
        (
            "  sender-line\n",
            "  sender-line\n  on-sheet(address.x, profile.body * 1mm - 6mm, image(shop.logo, height: 9mm))\n",
            "ink_in_window",
        ),
        ("  v(body-top - top-margin)", "  v(body-top - top-margin - 12mm)", "ink_in_window"),
        (
            "let lines = letter.address.join(",
            "let lines = (letter.reference, ..letter.address.slice(1)).join(",
            "address_outside_window",
        ),
    ],
    ids=["too high", "too far left", "far below", "a line", "a number", "a picture", "the text", "other words"],
)
def test_a_spoilt_layout_is_found_on_the_made_letter(
    old: str, new: str, reason: str, press: Press, spoil: Callable[[str, str], Press]
) -> None:
    if old.startswith("  v(") and press.envelope.date is not None:
        new = "  v(address.y - top-margin)"  # the text begins further down here: drag it up beside the address
    printed = spoil(old, new).print([letter(press.shop)])
    assert printed.refused == [("m1", reason)]
    assert printed.pdf == b""


@pytest.mark.alone
def test_letters_that_bear_each_others_address_do_not_leave(press: Press, spoil: Callable[[str, str], Press]) -> None:
    zoe, yann = letter(press.shop, 1), replace(letter(press.shop, 2), address=("MONSIEUR YANN ROY", "75011 PARIS"))
    swapped = spoil("address-lines(letter))", "address-lines(letters.find(one => one != letter)))")
    assert {name for name, _ in swapped.print([zoe, yann]).refused} == {"m1", "m2"}


def test_seven_lines_are_readable_or_refused(press: Press) -> None:
    """What the window of a number 10 always shows is 19 mm high: six lines. Seven would run into each other."""
    lines = ("MS Zoé ÅNGSTRÖM", "ÉTAGE 3", "BATIMENT Ç", "12 RUE DE L ÉGLISE", "ÅRSTA", "12059 GÖTEBORG", "SWEDEN")
    for some in (lines[1:], lines):
        printed = press.print([replace(letter(press.shop), address=some)])
        too_many = press.envelope.sheet[0] > 210 and len(some) == 7
        assert printed.refused == ([("m1", "address_too_many_lines")] if too_many else [])


@pytest.mark.parametrize("wide", ["W", "Щ"])
def test_a_wide_line_is_set_smaller_before_it_is_refused(wide: str, press: Press) -> None:
    """However few characters it has: a press that measured only long lines would find it outside the window."""
    sizes, reasons = [], []
    for length in (18, *range(23, 32)):
        printed = press.print([replace(letter(press.shop), address=("MADAME ZOE", wide * length, "42000 LYON"))])
        reasons += [reason for _, reason in printed.refused]
        if printed.pdf:
            with pdfplumber.open(io.BytesIO(printed.pdf)) as document:
                page = document.pages[0]
                low, high = (
                    edge * 72 / 25.4 for edge in (press.envelope.address.y, press.envelope.address.zone.bottom)
                )
                glyphs = page.within_bbox((0, low, page.width, high)).chars
            sizes.append(min(round(glyph["size"], 2) for glyph in glyphs if glyph["text"] == wide))
    assert sizes == sorted(sizes, reverse=True)
    assert 8.5 <= min(sizes) <= max(sizes) == 9
    assert set(reasons) <= {"address_line_too_long"}

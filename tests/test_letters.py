"""The letters as printed: read back from the PDF, word by word and millimetre by millimetre."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pdfplumber
import pypdf
import pypdfium2
import pytest
import zxingcpp

from habitue import letters
from habitue.errors import SettingError, TemplateError
from habitue.letters import Letter, Press, compose, sheets_of, write_letters
from habitue.shop import Shop, load_shop
from habitue.texts import load_text
from zoes_letter import COPY, ON, TEXTS, facts, letter

MM = 72 / 25.4
SAFE = (100, 55, 190, 79)  # always seen, windows of 35 and of 45 mm
EVER = (90, 34, 200, 90)  # seen at one time or another


@pytest.fixture(scope="module")
def shop() -> Shop:
    return load_shop()


@pytest.fixture(scope="module")
def press(shop: Shop) -> Press:
    return Press(shop, on=ON)


def words(pdf: bytes, page: int = 0) -> str:
    text = pypdfium2.PdfDocument(pdf)[page].get_textpage().get_text_bounded()
    return " ".join(text.replace("\u00a0", " ").replace("\u202f", " ").split())


def ink(page: Any) -> list[tuple[str, float, float, float, float]]:
    """Every glyph, line, curve, box and picture of a page: kind, x0, top, x1, bottom, in mm."""
    kinds = [("glyph", page.chars), ("line", page.lines), ("curve", page.curves), ("box", page.rects)]
    return [
        (kind, thing["x0"] / MM, thing["top"] / MM, thing["x1"] / MM, thing["bottom"] / MM)
        for kind, things in [*kinds, ("picture", page.images)]
        for thing in things
        if kind != "glyph" or thing["text"].strip()
    ]


def meets(box: tuple[float, ...], zone: tuple[int, ...]) -> bool:
    return box[0] < zone[2] and box[2] > zone[0] and box[1] < zone[3] and box[3] > zone[1]


def within(box: tuple[float, ...], zone: tuple[int, ...]) -> bool:
    return box[0] >= zone[0] and box[1] >= zone[1] and box[2] <= zone[2] and box[3] <= zone[3]


def check_geometry(pdf: bytes, printed: list[Letter]) -> None:
    with pdfplumber.open(io.BytesIO(pdf)) as document:
        for page, one in zip(document.pages[::2], printed, strict=False):
            seen = [thing for thing in ink(page) if meets(thing[1:], EVER)]
            assert {kind for kind, *_ in seen} == {"glyph"}
            assert all(within(box, SAFE) for _, *box in seen)
            shown = page.within_bbox([edge * MM for edge in EVER]).extract_text()
            assert shown.split("\n") == list(one.address)


def test_every_text_makes_one_page_with_its_address_in_the_window(press: Press, shop: Shop) -> None:
    known = facts(favourite="Coffret de six thés verts du Japon, édition des cerisiers en fleur")
    batch = [letter(shop, number, copy=copy, known=known) for number, copy in enumerate(COPY, 1)]
    printed = press.print(batch)
    assert printed.page_counts == [1] * len(COPY)
    assert not printed.refused
    check_geometry(printed.pdf, batch)
    for page, one in zip(printed.pages, batch, strict=True):
        text = words(printed.pdf, page - 1)
        assert one.salutation.replace("\u00a0", " ") in text
        assert one.offer_code in text
        assert f"{one.sequence} 1/1 · {one.reference}" in text
        assert "maison-tilleul.example/donnees-personnelles" in text


@pytest.mark.parametrize("copy", COPY)
def test_someone_of_whom_little_is_known_still_gets_whole_sentences(copy: str, press: Press, shop: Shop) -> None:
    unknown = letter(shop, copy=copy, known=facts(last_purchase=None, favourite=None))
    page = words(press.print([unknown]).pdf)
    assert "None" not in page
    assert "  " not in " ".join(unknown.paragraphs)
    assert not any(" ." in paragraph or " ," in paragraph for paragraph in unknown.paragraphs)


def test_zoes_page_in_the_notebook_is_a_table(press: Press, shop: Shop) -> None:
    zoe = letter(shop, known=facts(favourite="Thé | noir\nde Ceylan"))
    assert zoe.rewards == (
        ("Cette année", "5 visites"),
        ("Depuis le premier jour", "7 visites"),
        ("Toujours mis de côté pour vous", "Thé | noir de Ceylan"),
    )
    with pdfplumber.open(io.BytesIO(press.print([zoe]).pdf)) as document:
        lines = document.pages[0].extract_text_lines()
    names = [line for line in lines for name, _ in zoe.rewards if line["text"].startswith(name)]
    assert [line["text"] for line in names] == [" ".join(row) for row in zoe.rewards]
    assert max(line["x1"] for line in names) - min(line["x1"] for line in names) < 1  # figures end together


def test_both_languages_have_every_text() -> None:
    french = {name.removesuffix(".fr.j2") for name in COPY if name.endswith(".fr.j2")}
    english = {name.removesuffix(".en.j2") for name in COPY if name.endswith(".en.j2")}
    groups = {"regular_heavy", "regular_light", "occasional_heavy", "occasional_light", "lapsed"}
    others = {
        "birthday/coming",
        "offer_by_reason/after_call",
        "private_event/invitation",
        "thank_you/first_purchase",
        "we_miss_you/slowing_down",
    }
    assert french == english == {f"quarterly/{group}" for group in groups} | {"winback/lapsed"} | others


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_birthday_letter_counts_no_years_and_says_no_day(language: str, shop: Shop) -> None:
    zoe = letter(shop, copy=f"birthday/coming.{language}.j2")
    written = " ".join((zoe.subject, *zoe.paragraphs, zoe.closing, zoe.postscript))
    assert "Thé noir de Ceylan" in written
    assert not re.search(r"\d|\b(ans|years|demain|tomorrow)\b", written)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_an_invitation_gives_the_evening_and_the_word_at_the_door(language: str, press: Press, shop: Shop) -> None:
    zoe = letter(shop, copy=f"private_event/invitation.{language}.j2")
    evening = {"code": "ACDEF-GHJKM", "text": "Jeudi 19 novembre, 12 rue des Tilleuls.", "valid_until": "31 mai 2031"}
    invited = compose(
        load_text(TEXTS / f"private_event/invitation.{language}.j2"),
        **{name: getattr(zoe, name) for name in ("message_id", "reference", "sequence", "address", "offer_url")},
        customer={"civility": None, "first_name": "Zoé", "last_name": "Roy", "name": "Zoé Roy", "language": language},
        facts=facts(favourite=None, last_purchase=None),
        offer=evening,
        shop=shop,
        on=ON,
    )
    page = words(press.print([invited]).pdf)
    assert "Jeudi 19 novembre, 12 rue des Tilleuls." in page
    assert "ACDEF-GHJKM" in page
    assert "2031" not in page  # an evening has its own day, no last one


def test_six_full_lines_stay_in_the_window(press: Press, shop: Shop) -> None:
    full = ("MME M DE LA ROCHEFOUCAULD-MONTMORENCY", *["RESIDENCE DES GRANDS TILLEULS BATIMENT"] * 5)
    assert {len(line) for line in full} == {37, 38}
    zoe = replace(letter(shop), address=full)
    printed = press.print([zoe])
    check_geometry(printed.pdf, [zoe])


def test_a_line_too_wide_for_the_window_is_refused(press: Press, shop: Shop) -> None:
    wide = replace(letter(shop, 2), address=("W" * 38, "42000 SAINT ETIENNE"))
    printed = press.print([letter(shop, 1), wide, letter(shop, 3)])
    assert printed.refused == [("m2", "address_line_too_long")]
    assert [zoe.message_id for zoe in printed.letters] == ["m1", "m3"]


def test_the_qr_code_leads_to_the_offer(press: Press, shop: Shop) -> None:
    zoe = letter(shop)
    sheet = pypdfium2.PdfDocument(press.print([zoe]).pdf)[0].render(scale=200 / 72).to_pil()
    found = zxingcpp.read_barcodes(sheet, formats=zxingcpp.BarcodeFormat.QRCode)
    assert [code.text for code in found] == [zoe.offer_url]
    corners = found[0].position
    assert (corners.top_right.x - corners.top_left.x) / 200 * 25.4 >= 20


def sheet_codes(pdf: bytes, page: int) -> list[zxingcpp.Barcode]:
    """What an inserter's camera reads in the lower right corner of 40 mm, at 300 dpi."""
    sheet = pypdfium2.PdfDocument(pdf)[page - 1].render(scale=300 / 72).to_pil()
    corner = sheet.crop((sheet.width - 472, sheet.height - 472, sheet.width, sheet.height))
    return zxingcpp.read_barcodes(corner, formats=zxingcpp.BarcodeFormat.DataMatrix)


def test_each_sheet_has_its_number_in_a_data_matrix(press: Press, shop: Shop) -> None:
    (code,) = sheet_codes(press.print([letter(shop, 123)]).pdf, 1)
    assert code.text == "20261001-L01-000123-01"
    where = code.position
    assert (where.top_right.x - where.top_left.x) / 300 * 25.4 == pytest.approx(18 * 0.5, abs=0.4)  # mm
    assert where.bottom_right.x / 300 * 25.4 == pytest.approx(30, abs=0.4)  # 10 mm from the edge


def five_pages(shop: Shop, number: int) -> Letter:
    return replace(letter(shop, number), paragraphs=("Une phrase qui n’en finit pas. " * 100,) * 5)


def test_a_letter_of_five_pages_takes_three_sheets_and_the_next_begins_on_a_front(press: Press, shop: Shop) -> None:
    printed = press.print([letter(shop, 1), five_pages(shop, 2), letter(shop, 3)])
    assert printed.page_counts == [1, 5, 1]
    assert printed.pages == [1, 3, 9]
    assert len(pypdfium2.PdfDocument(printed.pdf)) == 10
    assert [words(printed.pdf, page - 1) for page in (2, 8, 10)] == ["", "", ""]
    for page in range(2, 6):
        assert f"Maison Tilleul · {page}/5" in words(printed.pdf, page + 1)
    for page, sheet in ((3, 1), (5, 2), (7, 3)):
        assert [code.text for code in sheet_codes(printed.pdf, page)] == [f"20261001-L01-000002-{sheet:02}"]
        assert f"L01-000002 {sheet}/3 · MT-000002" in words(printed.pdf, page - 1)
    assert not sheet_codes(printed.pdf, 4)


def test_letters_that_all_run_over_are_counted_once_and_then_known(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    press = Press(shop, on=ON)
    first = press.print([five_pages(shop, 1), five_pages(shop, 2)])
    monkeypatch.setattr(press, "_alone", None)  # nobody asks again
    assert press.print([five_pages(shop, 1), five_pages(shop, 2)]) == first
    monkeypatch.undo()
    assert press.print([letter(shop, 1), five_pages(shop, 2)]).page_counts == [1, 5]


def test_nine_pages_are_too_long_for_an_envelope(press: Press, shop: Shop) -> None:
    long = replace(letter(shop, 2), paragraphs=("Une phrase qui n’en finit pas. " * 100,) * 10)
    printed = press.print([letter(shop, 1), long, letter(shop, 3)])
    assert printed.refused == [("m2", "too_long")]
    assert printed.page_counts == [1, 1]


def test_a_letter_without_an_offer_has_no_empty_box(press: Press, shop: Shop) -> None:
    plain = replace(letter(shop), offer_title="", offer_code="", offer_url="", postscript="", subject="")
    page = words(press.print([plain]).pdf)
    assert "Votre code" not in page
    assert plain.salutation.replace("\u00a0", " ") in page


@pytest.mark.parametrize(
    "name",
    [
        '#set page(fill: red); #panic("x")',
        "$x^2$ _a_ *b* `c` @d <e> // f",
        "{{ 7*7 }} {% raw %}",
        '=HYPERLINK("http://evil.example","x")',
        "<script>alert(1)</script> &amp; \\n",
        "N’Diaye d’Arçon-Œuvre de la Ŵłođarczyk",
        "Παπαδόπουλος Иванов Čapek Şahin Nguyễn",
    ],
)
def test_what_customers_type_is_printed_as_they_typed_it(name: str, press: Press, shop: Shop) -> None:
    odd = letter(shop, last=name)
    page = words(press.print([odd]).pdf)
    assert "".join(name.split()) in "".join(page.split())


def test_a_name_cannot_turn_the_text_around(press: Press, shop: Shop) -> None:
    turned = letter(shop, last="Du\u202erand\u200b\x00\r\nBcc: x")
    assert "Chère Madame Du rand Bcc: x," in words(press.print([turned]).pdf)


def test_a_decomposed_accent_is_composed(press: Press, shop: Shop) -> None:
    assert "Chère Madame Zélie," in words(press.print([letter(shop, last="Ze\u0301lie")]).pdf)


def test_only_the_letters_that_no_font_can_print_are_refused(press: Press, shop: Shop) -> None:
    batch = [letter(shop, number) for number in range(1, 12)]
    batch[3] = letter(shop, 4, last="山田")
    batch[8] = letter(shop, 9, last="Tilleul 🌳")
    printed = press.print(batch)
    assert printed.refused == [("m4", "missing_glyph"), ("m9", "missing_glyph")]
    assert len(printed.letters) == len(printed.pages) == 9
    assert len(pypdf.PdfReader(io.BytesIO(printed.pdf)).pages) == 18


def test_a_batch_of_nothing_but_refusals_is_no_pdf(press: Press, shop: Shop, tmp_path: Path) -> None:
    printed = press.print([letter(shop, last="🌳")])
    assert (printed.pdf, printed.letters, printed.refused) == (b"", [], [("m1", "missing_glyph")])
    rows = write_letters(tmp_path / "lot.pdf", [letter(shop, last="🌳")], press)
    assert [row.refused for row in rows] == ["missing_glyph"]
    assert list(tmp_path.iterdir()) == []


def test_a_letter_that_runs_over_is_counted_with_its_pages(press: Press, shop: Shop) -> None:
    long = replace(letter(shop, 2), paragraphs=("Une phrase qui n’en finit pas. " * 60,) * 3)
    printed = press.print([letter(shop, 1), long, letter(shop, 3)])
    assert printed.page_counts[0] == printed.page_counts[2] == 1
    assert printed.page_counts[1] > 1
    assert printed.pages == [1, 3, 3 + 2 * sheets_of(printed.page_counts[1])]
    assert "L01-000003" in words(printed.pdf, printed.pages[2] - 1)


def test_a_shard_is_one_pdf_whose_rows_say_where_each_letter_is(
    press: Press, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "BATCH", 4)
    lot = [letter(shop, number) for number in range(1, 11)]
    lot[5] = letter(shop, 6, last="🌳")
    rows = write_letters(tmp_path / "letters" / "lot.pdf", iter(lot), press)
    assert [row.message_id for row in rows] == [zoe.message_id for zoe in lot]
    assert [row.refused for row in rows if row.refused] == ["missing_glyph"]
    reader = pypdf.PdfReader(tmp_path / "letters" / "lot.pdf", strict=True)
    assert len(reader.pages) == 2 * sum(row.sheets for row in rows) == 18
    assert [row.first_page for row in rows if not row.refused] == list(range(1, 18, 2))
    for row in rows:
        if not row.refused:
            assert row.sequence in reader.pages[row.first_page - 1].extract_text()
    check_geometry((tmp_path / "letters" / "lot.pdf").read_bytes(), lot[:1])


def test_the_bound_shard_keeps_its_archive_marks(press: Press, shop: Shop, tmp_path: Path) -> None:
    write_letters(tmp_path / "lot.pdf", [letter(shop)], press)
    root = pypdf.PdfReader(tmp_path / "lot.pdf", strict=True).trailer["/Root"]
    assert root["/OutputIntents"][0]["/S"] == "/GTS_PDFA1"
    assert b"<pdfaid:part>2</pdfaid:part>" in root["/Metadata"].get_data()


def test_the_same_letters_make_the_same_bytes(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "BATCH", 2)
    for name in ("first.pdf", "second.pdf"):
        write_letters(tmp_path / name, [letter(shop, number) for number in range(1, 6)], Press(shop, on=ON))
    assert (tmp_path / "first.pdf").read_bytes() == (tmp_path / "second.pdf").read_bytes()


def test_a_printing_that_fails_leaves_the_last_lot_in_place(press: Press, shop: Shop, tmp_path: Path) -> None:
    lot = tmp_path / "lot.pdf"
    write_letters(lot, [letter(shop)], press)
    before = lot.read_bytes()

    def broken() -> Any:
        yield from (letter(shop, number) for number in range(150))
        raise TemplateError("the next letter has no text")

    with pytest.raises(TemplateError):
        write_letters(lot, broken(), press)
    assert lot.read_bytes() == before
    assert list(tmp_path.iterdir()) == [lot]


def test_the_run_card_gets_a_picture(press: Press, shop: Shop) -> None:
    picture = press.picture(letter(shop), ppi=48)
    assert picture.startswith(b"\x89PNG")


def test_a_letterhead_without_its_logo_is_said_before_anything_is_printed(shop: Shop) -> None:
    head = shop.letterhead.model_copy(update={"logo": Path("templates/letters/no-such.svg")})
    with pytest.raises(SettingError, match=r"letterhead\.logo"):
        Press(shop.model_copy(update={"letterhead": head}), on=ON)


def test_a_postal_address_without_the_shops_name_keeps_its_street() -> None:
    shop = load_shop(overrides={"postal_address": ["12 rue des Tilleuls", "69002 Lyon"]})
    assert "12 rue des Tilleuls 69002 Lyon" in words(Press(shop, on=ON).print([letter(shop)]).pdf)


def test_every_font_comes_with_its_licence() -> None:
    fonts = {path.name for path in letters.FONTS.iterdir()}
    assert {"OFL-EBGaramond.txt", "OFL-Noto.txt"} <= fonts
    assert all("OPEN FONT LICENSE" in (letters.FONTS / name).read_text() for name in fonts if name.endswith(".txt"))
    assert sum(path.stat().st_size for path in letters.FONTS.iterdir()) < 4_000_000

"""What is kept of letters and what is shown of them: PDF/A-2b, PDF/UA-1, fonts, previews.

No PyPI or Debian tool validates PDF/A (veraPDF is Java). Typst refuses to write what does not conform; after binding,
which Typst never sees, these tests ask the finished file for what ISO 19005-2 demands of one of text and paths.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pypdf
import pypdfium2
import pytest
from fontTools.ttLib import TTFont

from habitue.binding import blanked, extracted
from habitue.errors import SettingError
from habitue.letter_previews import preview_letter
from habitue.letters import FONTS, Press, write_letters
from habitue.shop import load_shop
from zoes_letter import ON, letter

SHOP = load_shop()

ALPHABETS = {
    "French": "AÀÂÆÇÉÈÊËÎÏÔŒÙÛÜŸaàâæçéèêëîïôœùûüÿ«»’–—…€°№\u00a0\u202f\u2011",
    "German": "ÄÖÜẞäöüß„“",
    "Polish": "ĄĆĘŁŃÓŚŹŻąćęłńóśźż",
    "Czech and Slovak": "ÁČĎÉĚÍŇÓŘŠŤÚŮÝŽĹĽŔáčďéěíňóřšťúůýžĺľŕ",
    "Hungarian": "ŐŰőű",
    "Turkish": "ĞİŞğışÇÖÜ",
    "Romanian": "ĂÂÎȘȚăâîșțŞŢşţ",
    "Baltic": "ĀČĒĢĪĶĻŅŠŪŽĖĮŲāčēģīķļņšūžėįų",
    "Nordic": "ÅÆØÐÞåæøðþ",
    "Croatian": "ĆĐŽćđž",
    "Vietnamese": "ĂÂĐÊÔƠƯăâđêôơưễộụ",
    "Greek": "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΆΈΉΊΌΎΏαβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",
    "Cyrillic": "АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдеёжзийклмнопрстуфхцчшщъыьэюяЄІЇҐєіїґЂЉЊЋЏђљњћџ",
}


@pytest.fixture(scope="module")
def press() -> Press:
    return Press(SHOP, on=ON)


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_the_fonts_hold_every_letter_of_a_name(alphabet: str) -> None:
    """In the address (a sans), and in the salutation (EB Garamond, or the serif that stands in for it)."""
    known = {path.name: set(TTFont(path).getBestCmap()) for path in FONTS.glob("*.[ot]tf")}
    letters = {ord(letter) for letter in ALPHABETS[alphabet]}
    assert letters <= known["NotoSans-Regular.ttf"]
    assert letters <= known["EBGaramond12-Regular.otf"] | known["NotoSerif-Regular.ttf"]


@pytest.fixture(scope="module")
def bound(tmp_path_factory: pytest.TempPathFactory) -> pypdf.PdfReader:
    """Three batches in one file."""
    lot = tmp_path_factory.mktemp("lot") / "lot.pdf"
    press = Press(SHOP, on=ON)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("habitue.letters.BATCH", 2)
        write_letters(lot, (letter(SHOP, number) for number in range(5)), press)
    return pypdf.PdfReader(lot, strict=True)


def test_the_file_says_what_it_is(bound: pypdf.PdfReader) -> None:
    """6.1.2 header with four bytes above 127; 6.1.3 an ID in the trailer, no encryption; 6.6.4 the version in XMP."""
    bound.stream.seek(0)
    head = bound.stream.read(20)
    assert re.match(rb"%PDF-1\.[0-7]\n%[\x80-\xff]{4}", head)
    assert len(bound.trailer["/ID"]) == 2
    assert not bound.is_encrypted
    xmp = bound.trailer["/Root"]["/Metadata"].get_data()
    assert b"<pdfaid:part>2</pdfaid:part>" in xmp
    assert b"<pdfaid:conformance>B</pdfaid:conformance>" in xmp


def test_colours_are_those_of_a_profile_in_the_file(bound: pypdf.PdfReader) -> None:
    """6.2.3: one output intent, with its ICC profile."""
    (intent,) = bound.trailer["/Root"]["/OutputIntents"]
    assert intent["/S"] == "/GTS_PDFA1"
    assert intent["/DestOutputProfile"].get_data()[36:40] == b"acsp"


def test_nothing_runs_and_nothing_is_left_outside(bound: pypdf.PdfReader) -> None:
    """6.5 and 6.6.1: no actions, no scripts; 6.8: no files; 6.1.7: no stream elsewhere; 6.4: no forms."""
    root = bound.trailer["/Root"]
    assert not {"/OpenAction", "/AA", "/AcroForm", "/Names", "/EmbeddedFiles"} & set(root)
    for page in bound.pages:
        assert not {"/AA", "/Annots"} & set(page)
        assert page["/MediaBox"] == [0, 0, pytest.approx(595.276, abs=0.01), pytest.approx(841.89, abs=0.01)]


def fonts(reader: pypdf.PdfReader) -> list[Any]:
    found: dict[Any, Any] = {}
    for page in reader.pages:
        for font in page.get("/Resources", {}).get("/Font", {}).values():
            found[font.idnum if hasattr(font, "idnum") else id(font)] = font.get_object()
    return list(found.values())


def test_every_font_is_in_the_file_and_can_be_read_out(bound: pypdf.PdfReader) -> None:
    """6.2.11.4: embedded, as a subset; 6.2.11.7 (level U): each glyph has its character."""
    used = fonts(bound)
    assert {font["/BaseFont"].split("+")[1].split("-")[0] for font in used} == {"EBGaramond12", "NotoSans"}
    for font in used:
        descriptor = font["/DescendantFonts"][0]["/FontDescriptor"]
        assert re.match(r"/[A-Z]{6}\+", font["/BaseFont"])
        assert {"/FontFile2", "/FontFile3"} & set(descriptor)
        assert "/ToUnicode" in font


def elements(node: Any) -> Iterator[Any]:
    """All structure elements from here down, in the order in which they are read."""
    node = node.get_object()
    if not isinstance(node, dict):
        return
    if "/S" in node:
        yield node
    kids = node.get("/K", [])
    for child in kids if isinstance(kids, list) else [kids]:
        yield from elements(child)


def content_of(element: Any) -> Iterator[tuple[Any, int]]:
    """What of which page an element itself holds: of its own page a number, of another one page and number."""
    for kid in element["/K"]:
        kid = kid.get_object()
        if isinstance(kid, int):
            yield element["/Pg"], kid
        elif kid.get("/Type") == "/MCR":
            yield kid["/Pg"], kid["/MCID"]


def check_tags(reader: pypdf.PdfReader) -> list[Any]:
    """Each run of a page's content that is no ornament has its element, and each element its page (14.7.4.4); returns
    the elements."""
    root = reader.trailer["/Root"]["/StructTreeRoot"]
    found = list(elements(root))
    assert [one["/S"] for one in found].count("/Document") == 1
    nums: list[Any] = []
    for leaf in root["/ParentTree"].get("/Kids", [root["/ParentTree"]]):
        leaf = leaf.get_object()
        if "/Limits" in leaf:
            assert leaf["/Limits"] == [leaf["/Nums"][0], leaf["/Nums"][-2]]
        nums += leaf["/Nums"]
    places, lists = nums[::2], nums[1::2]
    assert places == sorted(set(places))
    assert root["/ParentTreeNextKey"] > places[-1]
    of_place = dict(zip(places, lists, strict=True))
    for page in reader.pages:
        content = page.get_contents()
        marked = {int(number) for number in re.findall(rb"/MCID (\d+)", b"" if content is None else content.get_data())}
        if "/StructParents" not in page:
            assert not marked
            continue
        here = of_place[page["/StructParents"]].get_object()
        assert marked == set(range(len(here)))
        for number, one in enumerate(here):
            assert (page, number) in content_of(one.get_object())
            assert any(one.get_object() is known for known in found)
    return found


def test_a_lot_is_tagged_letter_by_letter(bound: pypdf.PdfReader) -> None:
    """As PDF/UA-1 wants it: a language, headings, pictures with their words, nothing of the machine's read aloud."""
    root = bound.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "fr"
    found = check_tags(bound)
    assert [one["/S"] for one in found].count("/H1") == 5
    figures = [str(one.get("/Alt")) for one in found if one["/S"] == "/Figure"]
    assert sorted(figures) == sorted(
        [f"TILLEUL-{number:04}" for number in range(5)] + ["Maison Tilleul", "Hélène Tilleul"] * 5
    )


def test_an_english_letter_says_so_where_the_shop_is_french(press: Press) -> None:
    printed = press.print([letter(SHOP, 1), letter(SHOP, 2, copy="quarterly/regular_heavy.en.j2")])
    found = list(elements(pypdf.PdfReader(io.BytesIO(printed.pdf)).trailer["/Root"]["/StructTreeRoot"]))
    assert {one["/Lang"] for one in found if "/Lang" in one} >= {"en"}


def test_one_letter_taken_out_of_a_lot_keeps_its_tags_and_a_blanked_one_loses_them(bound: pypdf.PdfReader) -> None:
    bound.stream.seek(0)
    lot = bound.stream.read()
    alone = pypdf.PdfReader(io.BytesIO(extracted(lot, [5, 6])), strict=True)
    assert {str(one["/Alt"]) for one in check_tags(alone) if "/Alt" in one} >= {"TILLEUL-0002", "Maison Tilleul"}
    assert "TILLEUL-0002" in alone.pages[0].extract_text()
    assert len(alone.pages) == 2
    emptied = blanked(lot, [5, 6])
    without = pypdf.PdfReader(io.BytesIO(emptied), strict=True)
    codes = [str(one["/Alt"]) for one in check_tags(without) if str(one.get("/Alt")).startswith("TILLEUL")]
    assert codes == ["TILLEUL-0000", "TILLEUL-0001", "TILLEUL-0003", "TILLEUL-0004"]
    assert b"TILLEUL-0002" not in emptied
    assert blanked(emptied, [5, 6]) == emptied


def test_half_a_letter_comes_without_tags(tmp_path: Path) -> None:
    long = replace(letter(SHOP), paragraphs=("Une phrase qui n’en finit pas. " * 100,) * 3)
    write_letters(tmp_path / "lot.pdf", [long], Press(SHOP, on=ON))
    lot = (tmp_path / "lot.pdf").read_bytes()
    whole = pypdf.PdfReader(io.BytesIO(extracted(lot, range(1, 9))), strict=True)
    assert len(whole.pages) > 2
    check_tags(whole)
    half = pypdf.PdfReader(io.BytesIO(extracted(lot, [2])), strict=True)
    assert "/StructTreeRoot" not in half.trailer["/Root"]
    assert "/StructParents" not in half.pages[0]


def test_a_proof_can_be_read_aloud(press: Press) -> None:
    """PDF/UA-1: tagged, its language and title said, pictures with their words, the subject a heading."""
    zoe = letter(SHOP)
    pdf = press.proof(zoe)
    root = pypdf.PdfReader(io.BytesIO(pdf), strict=True).trailer["/Root"]
    xmp = root["/Metadata"].get_data()
    assert b"<pdfuaid:part>1</pdfuaid:part>" in xmp
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"].startswith("fr")
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    found = check_tags(pypdf.PdfReader(io.BytesIO(pdf), strict=True))
    assert {"/H1", "/P", "/Figure"} <= {one["/S"] for one in found}
    assert {"Maison Tilleul", "Hélène Tilleul", zoe.offer_code} <= {one.get("/Alt") for one in found}
    text = pypdfium2.PdfDocument(pdf)[0].get_textpage().get_text_bounded()
    assert zoe.sequence not in text


def test_a_preview_is_a_pdf_a_picture_and_the_envelope_over_it(tmp_path: Path) -> None:
    zoe = letter(SHOP)
    made = preview_letter(Press(SHOP, on=ON), zoe, tmp_path / "previews" / "quarterly-lapsed.fr", ppi=48)
    assert made.window.name == "quarterly-lapsed.fr.window.png"
    assert made.pdf.read_bytes().startswith(b"%PDF")
    from PIL import Image

    plain, covered = Image.open(made.png).convert("L"), Image.open(made.window).convert("L")
    assert covered.width > plain.width
    scale, around = 48 / 25.4, 24
    letterhead = (
        int((around + 30) * scale),
        int((around + 14) * scale),
        int((around + 90) * scale),
        int((around + 26) * scale),
    )
    window = (
        int((around + 108) * scale),
        int((around + 56) * scale),
        int((around + 150) * scale),
        int((around + 76) * scale),
    )
    assert covered.crop(letterhead).getextrema()[0] > 100  # paled by the envelope
    assert covered.crop(window).getextrema()[0] < 80  # black in the window


def test_a_font_that_is_not_there_is_a_wrong_setting() -> None:
    with pytest.raises(
        SettingError, match=r"letterhead\.font: no font Comic Sans; there are EB Garamond 12, Noto Sans"
    ):
        Press(load_shop(overrides={"letterhead": {"font": "Comic Sans"}}), on=ON).print([letter(SHOP)])


def test_a_shop_may_write_in_another_font() -> None:
    shop = load_shop(overrides={"letterhead": {"font": "Noto Serif"}})
    reader = pypdf.PdfReader(io.BytesIO(Press(shop, on=ON).print([letter(shop)]).pdf))
    assert "NotoSerif" in {font["/BaseFont"].split("+")[1].split("-")[0] for font in fonts(reader)}

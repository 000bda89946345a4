"""What is kept of letters and what is shown of them: PDF/A-2b, PDF/UA-1, fonts, previews.

No PyPI or Debian tool validates PDF/A (veraPDF is Java). Typst refuses to write what does not conform; after binding,
which Typst never sees, these tests ask the finished file for what ISO 19005-2 demands of one of text and paths.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pypdf
import pypdfium2
import pytest
from fontTools.ttLib import TTFont

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
    tags, words = [], []

    def walk(node: Any) -> None:
        node = node.get_object()
        if isinstance(node, dict):
            tags.append(node.get("/S"))
            words.append(node.get("/Alt"))
            for child in node["/K"] if isinstance(node.get("/K"), list) else [node["/K"]] if "/K" in node else []:
                walk(child)

    walk(root["/StructTreeRoot"])
    assert {"/H1", "/P", "/Figure"} <= set(tags)
    assert {"Maison Tilleul", "Hélène Tilleul", zoe.offer_code} <= set(words)
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

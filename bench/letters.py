"""How many letters does a CPU second print, with their codes, beside WeasyPrint setting the same letter from HTML and
LibreOffice from a merged text document?

    python -m bench letters              LETTERS=20000 python -m bench letters

Each engine runs in processes of its own, in turns; the table shows the median of the CPU seconds (of the process and
its children, imports left out) and the peak memory. Then two workers make a lot each, side by side, as on two cores:
LETTERS in all, 2,000 unless said. Targets: 250 letters a CPU second on a quiet machine, 12 times WeasyPrint, a worker
under 400 MB whatever the lot's size, and so 100,000 letters on two cores in less than 4 minutes.

LibreOffice is run where `soffice` is found (or LIBREOFFICE names it).
"""

from __future__ import annotations

import base64
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from html import escape
from pathlib import Path

from habitue.letters import FONTS, INCLUDE, Letter, Press, compose, write_letters
from habitue.shop import load_shop
from habitue.symbols import qr_svg
from habitue.texts import load_text

ROOT = Path(__file__).resolve().parents[1]
ON = date(2026, 10, 1)
ROUNDS = 3
OURS, THEIRS, OFFICE = 1500, 60, 100
MINUTES = 4
"""For 100,000 letters on two cores."""


def demonstration_letters(count: int) -> Iterator[Letter]:
    """The demonstration letter, each to someone else, with another code."""
    shop = load_shop()
    text = load_text(INCLUDE / "templates/letters/quarterly/regular_heavy.fr.j2")
    for number in range(count):
        name = f"Lelièvre-{chr(65 + number % 26)}{number}"
        yield compose(
            text,
            message_id=str(number),
            reference=f"MT-{number:06}",
            sequence=f"L01-{number:06}",
            address=(
                f"MADAME Zoé LELIÈVRE-{chr(65 + number % 26)}",
                "BATIMENT C",
                f"{number % 200 + 1} RUE DE L EGLISE",
                f"{1000 + number:05} BOURG",
            ),
            customer={
                "civility": "MME",
                "first_name": "Zoé",
                "last_name": name,
                "name": f"Zoé {name}",
                "language": "fr",
            },
            facts={
                "last_purchase": "12 juin 2026",
                "favourite": "Thé noir de Ceylan",
                "purchases": 4 + number % 9,
                "this_year": 4,
            },
            offer={"code": f"TILLEUL-{number:06}", "text": "15 %", "valid_until": "15 novembre 2026"},
            offer_url=f"https://www.maison-tilleul.example/o/TILLEUL-{number:06}",
            shop=shop,
            on=ON,
        )


def typst_letters(count: int, folder: Path) -> None:
    rows = write_letters(folder / "ours.pdf", demonstration_letters(count), Press(load_shop(), on=ON))
    assert all(row.pages == 1 for row in rows)


STYLE = f"""
@font-face {{ font-family: serif12; src: url(file://{FONTS}/EBGaramond12-Regular.otf) }}
@font-face {{ font-family: serif12; font-style: italic; src: url(file://{FONTS}/EBGaramond12-Italic.otf) }}
@font-face {{ font-family: sans; src: url(file://{FONTS}/NotoSans-Regular.ttf) }}
@page {{ size: A4; margin: 24mm 26mm 30mm }}
body {{ font: 12pt/1.35 serif12; margin: 0 }} section {{ break-after: page; position: relative; height: 240mm }}
.at {{ position: absolute }} p {{ text-align: justify; hyphens: auto; margin: 0 0 4mm }}
.address {{ left: 84mm; top: 33mm; width: 80mm; font: 9pt/3.66mm sans; white-space: pre }}
.text {{ padding-top: 71mm }} .offer {{ border: solid #96635a; border-width: .6pt 0; padding: 3.6mm 0; display: flex }}
.offer div {{ flex: 1 }} i, h1 {{ font-size: 13pt; font-style: italic; font-weight: normal; color: #7a3b2e }}
.foot {{ top: 249mm; width: 158mm; font-size: 7.4pt; text-align: center; border-top: .4pt solid #ccc }}
"""


def as_html(letter: Letter) -> str:
    code = f"data:image/svg+xml,{escape(qr_svg(letter.offer_url).replace('#', '%23'))}"
    body = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in letter.paragraphs)
    art = INCLUDE / "templates/letters"
    return (
        f'<section><img class="at" style="left:0;top:-12mm;height:16mm" src="file://{art}/logo.svg">'
        f'<div class="at address">{escape(chr(10).join(letter.address))}</div><div class="text">{letter.place_date}'
        f"<h1>{letter.subject}</h1><p>{escape(letter.salutation)}</p>{body}"
        f'<div class="offer"><div><i>{letter.offer_title}</i><br>{letter.offer_text}<br>{letter.offer_code}</div>'
        f'<img style="width:22mm" src="{code}"></div><p>{letter.closing}</p>'
        f'<img style="height:17mm;margin-left:84mm" src="file://{art}/signature.svg"><p>{letter.postscript}</p></div>'
        f'<div class="at foot">{load_shop().legal}<br>{letter.sequence} · {letter.reference}</div></section>'
    )


def weasyprint_letters(count: int, folder: Path) -> None:
    from weasyprint import HTML

    for batch in range(0, count, 20):  # its fastest batch
        pages = "".join(as_html(letter) for letter in demonstration_letters(20))
        document = f'<html lang="fr"><style>{STYLE}</style>{pages}</html>'
        HTML(string=document).write_pdf(folder / f"{batch}.pdf", pdf_variant="pdf/a-2b")


MERGED = """<?xml version="1.0" encoding="UTF-8"?>
<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0"
 xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"
 xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" office:version="1.3"
 office:mimetype="application/vnd.oasis.opendocument.text"><office:automatic-styles>
<style:page-layout style:name="a4"><style:page-layout-properties fo:page-width="210mm" fo:page-height="297mm"
 fo:margin-top="24mm" fo:margin-bottom="20mm" fo:margin-left="26mm" fo:margin-right="26mm"/></style:page-layout>
<style:style style:name="first" style:family="paragraph" style:master-page-name="Standard">
<style:paragraph-properties fo:break-before="page" fo:margin-left="84mm" fo:margin-top="33mm"/></style:style>
<style:style style:name="body" style:family="paragraph"><style:paragraph-properties fo:text-align="justify"
 fo:margin-bottom="4mm"/><style:text-properties fo:font-size="12pt" fo:language="fr" fo:country="FR"
 fo:hyphenate="true"/></style:style></office:automatic-styles>
<office:master-styles><style:master-page style:name="Standard" style:page-layout-name="a4"/></office:master-styles>
<office:body><office:text>%s</office:text></office:body></office:document>"""


def as_merged(letter: Letter) -> str:
    """A letter of a mail merge: the same words and pictures, as LibreOffice has them when all fields are filled in."""

    def picture(content: bytes, size: str) -> str:
        data = base64.b64encode(content).decode()
        return (
            f'<draw:frame text:anchor-type="as-char" svg:width="{size}" svg:height="{size}"><draw:image '
            f'draw:mime-type="image/svg+xml"><office:binary-data>{data}</office:binary-data></draw:image></draw:frame>'
        )

    art = INCLUDE / "templates/letters"
    offer = f"{letter.offer_title} {letter.offer_text} {letter.offer_code}"
    lines = [letter.place_date, letter.subject, letter.salutation, *letter.paragraphs, offer]
    after = [letter.closing, load_shop().letterhead.signatory, letter.postscript, load_shop().legal]
    body = "".join(f'<text:p text:style-name="body">{escape(line)}</text:p>' for line in lines)
    end = "".join(f'<text:p text:style-name="body">{escape(line)}</text:p>' for line in after)
    pictures = [
        picture((art / "logo.svg").read_bytes(), "16mm"),
        picture(qr_svg(letter.offer_url).encode(), "22mm"),
        picture((art / "signature.svg").read_bytes(), "17mm"),
    ]
    return (
        f'<text:p text:style-name="first">{"<text:line-break/>".join(map(escape, letter.address))}</text:p>'
        f'{body}<text:p text:style-name="body">{"".join(pictures)}</text:p>{end}'
    )


def libreoffice_letters(count: int, folder: Path) -> None:
    merged = folder / "merged.fodt"
    merged.write_text(MERGED % "".join(map(as_merged, demonstration_letters(count))), "utf-8")
    profile = f"-env:UserInstallation={(folder.parent / 'office-profile').as_uri()}"
    command = [office(), profile, "--headless", "--convert-to", "pdf", "--outdir", str(folder), str(merged)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    assert (folder / "merged.pdf").stat().st_size > 1000 * count


def office() -> str:
    found = os.environ.get("LIBREOFFICE") or shutil.which("soffice")
    if not found:
        raise FileNotFoundError("soffice")
    return found


ENGINES: dict[str, Callable[[int, Path], None]] = {
    "ours": typst_letters,
    "weasyprint": weasyprint_letters,
    "libreoffice": libreoffice_letters,
}


def spent() -> float:
    """CPU seconds of this process and of those that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def child(engine: str, count: int) -> None:
    """In a process of its own: a small run pays for imports and fonts, then the one that counts."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "made"
        folder.mkdir()
        ENGINES[engine](20, folder)
        begun = spent()
        ENGINES[engine](count, folder)
        used = spent() - begun
    who = resource.RUSAGE_CHILDREN if engine == "libreoffice" else resource.RUSAGE_SELF
    print(json.dumps({"rate": count / used, "mb": resource.getrusage(who).ru_maxrss / 1024}))


def started(engine: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.letters", "--child", engine, str(count)]
    return subprocess.Popen(command, text=True, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def figures(running: subprocess.Popen[str]) -> dict[str, float] | None:
    """Letters a CPU second and MB; None where the engine can't run here."""
    said, trouble = running.communicate()
    if running.returncode:
        if "ours" in running.args:  # type: ignore[operator]
            sys.exit(trouble)
        return None
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def main() -> None:
    from rich.console import Console
    from rich.table import Table

    found: dict[str, list[dict[str, float]]] = {engine: [] for engine in ENGINES}
    for _ in range(ROUNDS):
        for engine, count in (("ours", OURS), ("weasyprint", THEIRS), ("libreoffice", OFFICE)):
            if measured := figures(started(engine, count)):
                found[engine].append(measured)
    table = Table("letters with their codes, A4", "a CPU second", "peak MB", "times", title="Letters")
    ours = statistics.median(run["rate"] for run in found["ours"])
    peak = max(run["mb"] for run in found["ours"])
    table.add_row("habitue, batches of 100", f"{ours:.0f} (target 250)", f"{peak:.0f} (target < 400)", "")
    others = {
        "weasyprint": ("WeasyPrint, batches of 20", "libpango-1.0-0 and libpangoft2-1.0-0", " (target 12)"),
        "libreoffice": (f"LibreOffice, {OFFICE} merged", "libreoffice-writer, or say LIBREOFFICE=…/soffice", ""),
    }
    for engine, (name, needs, target) in others.items():
        if found[engine]:
            theirs = statistics.median(run["rate"] for run in found[engine])
            memory = max(run["mb"] for run in found[engine])
            table.add_row(name, f"{theirs:.1f}", f"{memory:.0f}", f"{ours / theirs:.1f}{target}")
        else:
            table.add_row(name, f"not run: install {needs}", "", "")
    letters = int(os.environ.get("LETTERS", "2000"))
    begun = time.monotonic()
    workers = [figures(one) for one in [started("ours", letters // 2) for _ in range(2)]]
    wall = time.monotonic() - begun
    rate = sum(one["rate"] for one in workers if one)
    table.add_row(
        f"habitue, 2 workers, {letters} letters in {wall:.0f} s, starts included",
        f"{rate / 2:.0f} each",
        f"{max(one['mb'] for one in workers if one):.0f} each",
        f"100,000: {100_000 / rate / 60:.1f} min of two cores (target < {MINUTES})",
    )
    Console().print(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]))
    else:
        main()

"""How many letters does a CPU second print, with their QR, beside WeasyPrint setting the same letter from HTML?

    python -m bench letters

Each engine runs in processes of its own, in turns; the table shows the median of the CPU seconds (of the process and
its children, imports left out) and the peak memory. Targets: 250 letters a CPU second on a quiet machine,
12 times WeasyPrint, under 400 MB.
"""

from __future__ import annotations

import json
import resource
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
OURS, THEIRS = 1500, 60


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


ENGINES: dict[str, Callable[[int, Path], None]] = {"ours": typst_letters, "weasyprint": weasyprint_letters}


def child(engine: str, count: int) -> None:
    """In a process of its own: a small run pays for imports and fonts, then the one that counts."""
    with tempfile.TemporaryDirectory() as folder:
        ENGINES[engine](20, Path(folder))
        begun = time.process_time()
        ENGINES[engine](count, Path(folder))
        spent = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rate": count / spent, "mb": peak}))


def measure(engine: str, count: int) -> dict[str, float] | None:
    """Letters a CPU second and MB; None where the engine can't run here (WeasyPrint needs Pango)."""
    command = [sys.executable, "-m", "bench.letters", "--child", engine, str(count)]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if answer.returncode:
        if engine == "ours":
            sys.exit(answer.stderr)
        return None
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def main() -> None:
    from rich.console import Console
    from rich.table import Table

    found: dict[str, list[dict[str, float]]] = {"ours": [], "weasyprint": []}
    for _ in range(ROUNDS):
        for engine, count in (("ours", OURS), ("weasyprint", THEIRS)):
            figures = measure(engine, count)
            if figures:
                found[engine].append(figures)
    table = Table("letters with QR, A4, PDF/A-2b", "a CPU second", "peak MB", "times", title="Letters")
    ours = statistics.median(run["rate"] for run in found["ours"])
    peak = max(run["mb"] for run in found["ours"])
    table.add_row("habitue, batches of 100", f"{ours:.0f} (target 250)", f"{peak:.0f} (target < 400)", "")
    if found["weasyprint"]:
        theirs = statistics.median(run["rate"] for run in found["weasyprint"])
        memory = max(run["mb"] for run in found["weasyprint"])
        table.add_row("WeasyPrint, batches of 20", f"{theirs:.1f}", f"{memory:.0f}", f"{ours / theirs:.1f} (target 12)")
    else:
        table.add_row("WeasyPrint", "not run: install libpango-1.0-0 and libpangoft2-1.0-0", "", "")
    Console().print(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]))
    else:
        main()

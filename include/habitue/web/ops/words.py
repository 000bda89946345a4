"""The pages' words: English stands in the templates and the code, other languages in catalogues of gettext.

`templates/ops/locale/<language>/<part>.po`, one file a part of the pages; together they are one catalogue. They are
read as they are, without a step that compiles them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from habitue.settings import INCLUDE, Language
from habitue.texts import typography

LOCALE = INCLUDE / "templates" / "ops" / "locale"
LANGUAGES: tuple[Language, ...] = ("fr", "en")


@cache
def catalogue(language: str) -> NullTranslations:
    """All that is said in this language, set as a printer would."""
    found = Catalog(locale=language)
    for file in files(language):
        for message in read(file, language):
            if message.id:
                found.add(message.id, _set(message.string, language))
    if not len(found):
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, found)
    return GNUTranslations(BytesIO(compiled.getvalue()))


def files(language: str) -> list[Path]:
    return sorted((LOCALE / language).glob("*.po"))


def read(file: Path, language: str) -> Catalog:
    with file.open("rb") as opened:
        return read_po(opened, locale=language)


def _set(said: Any, language: str) -> Any:
    if isinstance(said, str):
        return typography(said, language)
    return tuple(typography(one, language) for one in said)


def accepted(header: str) -> Iterator[str]:
    """The languages of an Accept-Language header, best first; what can't be read is passed over."""
    weighed = []
    for place, part in enumerate(header[:200].split(",")):
        name, _, weight = part.partition(";q=")
        try:
            weighed.append((-float(weight or 1), place, name.strip().partition("-")[0].lower()))
        except ValueError:
            continue
    yield from (name for _, _, name in sorted(weighed))

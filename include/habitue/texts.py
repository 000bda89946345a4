"""Copy: the words of letters, e-mails and call scripts, as Jinja2 files that only ever see data.

A copy file is one template whose top-level blocks are its parts (`{% block subject %}…{% endblock %}`). Its language
is in its name: `lapsed.fr.j2`. Templates run in a sandbox without a loader; what customers typed is data and
is never read as a template.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency
from jinja2 import Template, TemplateSyntaxError, meta, pass_context
from jinja2.exceptions import UndefinedError
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from jinja2.runtime import Context, Undefined

from habitue.errors import TemplateError
from habitue.sandbox import CopyEnvironment, Forbidden, limited

NO_BREAK = "\u00a0"
NARROW = "\u202f"
"""The space that French sets before ; ! ? and % (Lexique des règles typographiques, Imprimerie nationale)."""

LOCALES = {"fr": "fr_FR", "en": "en_GB"}


@cache
def _locale(language: str) -> Locale:
    if language not in LOCALES:
        raise TemplateError(f"language {language!r}: texts are written in {', '.join(sorted(LOCALES))}")
    return Locale.parse(LOCALES[language])


def money(cents: int, currency: str, language: str) -> str:
    """Integer cents as the reader's country writes them: `1 234,50 €`, `€1,234.50`; round amounts lose `,00`."""
    amount = Decimal(cents) / 100
    pattern = None
    if amount == amount.to_integral_value():
        pattern = _locale(language).currency_formats["standard"].pattern.replace("0.00", "0")
    return format_currency(amount, currency, format=pattern, locale=_locale(language), currency_digits=pattern is None)


def price(micros: int, currency: str, language: str) -> str:
    """Millionths of the currency's unit, to the cent and as much further as they go: `1,39 €`, `€0.001`."""
    locale = _locale(language)
    pattern = locale.currency_formats["standard"].pattern.replace("0.00", "0.00####")
    return format_currency(Decimal(micros) / 1_000_000, currency, format=pattern, locale=locale, currency_digits=False)


def long_date(day: datetime.date, language: str) -> str:
    """`1er octobre 2026` (French says *premier* and no other ordinal), `1 October 2026`."""
    written = format_date(day, "d MMMM y", locale=_locale(language))
    if language == "fr" and day.day == 1:
        written = written.replace("1 ", "1er ", 1)
    return written.replace(" ", NO_BREAK, 1)


def plural(number: int, one: str, many: str, language: str) -> str:
    """The form that goes with the number: French has `0 visite`, English `0 visits`."""
    return one if _locale(language).plural_form(number) == "one" else many


def typography(text: str, language: str) -> str:
    """Copy as a printer would set it: curly apostrophes and, in French, the no-break spaces that its authors typed
    as plain ones. For the words of a template, never for customers' data."""
    text = re.sub(r"(?<=[^\W\d_])'(?=[^\W\d_]|\Z)", "’", text)
    if language != "fr":
        return text
    text = re.sub(r" (?=[;!?%])", NARROW, text)
    text = re.sub(r" (?=[:»€])", NO_BREAK, text)
    return re.sub(r"(?<=«) ", NO_BREAK, text)


class _FrenchTypography(Extension):
    """Sets the copy between the tags; what stands inside `{{ }}` and `{% %}` is left alone."""

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        return self._set(stream, "fr")

    def _set(self, stream: TokenStream, language: str) -> Iterator[Token]:
        for token in stream:
            text = typography(token.value, language) if token.type == "data" else token.value
            yield Token(token.lineno, token.type, text)


class _EnglishTypography(_FrenchTypography):
    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        return self._set(stream, "en")


TYPOGRAPHY: dict[str, type[Extension]] = {"fr": _FrenchTypography, "en": _EnglishTypography}


def _spoken(context: Context, language: str | None) -> str:
    chosen = language or context.resolve("language")
    if isinstance(chosen, Undefined):
        raise UndefinedError("'language' is undefined")
    return str(chosen)


@pass_context
def _money(context: Context, cents: int, currency: str = "EUR", language: str | None = None) -> str:
    return money(cents, currency, _spoken(context, language))


@pass_context
def _date(context: Context, day: datetime.date, language: str | None = None) -> str:
    return long_date(day, _spoken(context, language))


@pass_context
def _plural(context: Context, number: int, one: str, many: str, language: str | None = None) -> str:
    return plural(number, one, many, _spoken(context, language))


def environment(*, html: bool, language: str | None = None) -> CopyEnvironment:
    """The sandbox for copy. `html` escapes data; `language` sets the copy's typography and is known to the filters.

    Filters, in the language given or the context's `language`: `cents | money("EUR")`, `day | date`,
    `n | plural("visite", "visites")`. An unknown word or a None that would be printed is an error.
    """
    copy = CopyEnvironment(
        autoescape=html, trim_blocks=True, lstrip_blocks=True, extensions=[TYPOGRAPHY[language]] if language else []
    )
    if language:
        copy.globals["language"] = language
    copy.filters.update(money=_money, date=_date, plural=_plural)
    return copy


@dataclass(frozen=True, slots=True)
class Text:
    """One copy file, compiled. `variables` are the words that it needs from its context."""

    path: Path
    language: str
    variables: frozenset[str]
    template: Template

    @property
    def blocks(self) -> frozenset[str]:
        return frozenset(self.template.blocks)

    def render(self, block: str, context: Mapping[str, Any]) -> str:
        """The block with the context's data in it, without the white space around. TemplateError names the file,
        the block and the word, and none of the data."""
        root = self.template.blocks.get(block)
        if root is None:
            raise TemplateError(f"{self._name}: no block {block!r}; write {{% block {block} %}}…{{% endblock %}}")
        try:
            return limited(root(self.template.new_context(dict(context)))).strip()
        except UndefinedError as error:
            raise TemplateError(f"{self._name}, block {block!r}: {_unknown(error)}") from None
        except Forbidden as error:
            raise TemplateError(f"{self._name}, block {block!r}: {error}") from None
        except Exception as error:
            # Whatever a filter raised may quote what it was given: only its kind is told.
            raise TemplateError(f"{self._name}, block {block!r}: {type(error).__name__} in an expression") from None

    def paragraphs(self, block: str, context: Mapping[str, Any]) -> tuple[str, ...]:
        """The block's paragraphs: blank lines part them, single line ends are spaces."""
        parts = re.split(r"\n[ \t]*\n", self.render(block, context))
        return tuple(joined for part in parts if (joined := " ".join(part.split("\n")).strip()))

    @property
    def _name(self) -> str:
        return "/".join(self.path.parts[-3:])


def _unknown(error: UndefinedError) -> str:
    message = str(error)
    if "None" in message:
        return "a word has no value; ask {% if … %} before printing it"
    found = re.search(r"'([^\W\d]\w*)' is undefined|attribute '([^\W\d]\w*)'", message)
    word = next(filter(None, found.groups()), "") if found else ""
    return f"unknown word {word!r}" if word else "unknown word"


def load_text(path: Path, *, html: bool = False) -> Text:
    """A copy file, read and compiled once for a process. Its language is the part of its name before `.j2`."""
    return _load(path, html)


@cache
def _load(path: Path, html: bool) -> Text:
    name = "/".join(path.parts[-3:])
    language = path.suffixes[-2][1:] if len(path.suffixes) > 1 else ""
    if language not in LOCALES:
        raise TemplateError(f"{name}: name the language, as in {path.stem.split('.')[0]}.fr.j2")
    try:
        source = path.read_text("utf-8")
    except FileNotFoundError:
        raise TemplateError(f"{name}: no such text") from None
    copy = environment(html=html, language=language)
    try:
        variables = meta.find_undeclared_variables(copy.parse(source)) - {"language"}
        template = copy.from_string(source)
    except TemplateSyntaxError as error:
        raise TemplateError(f"{name}, line {error.lineno}: {error.message}") from None
    except RecursionError:
        raise TemplateError(f"{name}: too deeply nested; write it simpler") from None
    return Text(path=path, language=language, variables=frozenset(variables), template=template)

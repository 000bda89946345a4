"""How the public pages look and read: the shop's name and colours, the customer's language, no script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from habitue.preferences import CALL_DAYS, Choices, Standing
from habitue.settings import INCLUDE, Language, read_yaml
from habitue.shop import Shop
from habitue.texts import long_date, plural, typography

WEB = INCLUDE / "templates" / "web"
NO_BREAK_HYPHEN = "\u2011"
CONTRAST = 4.5
"""What text needs against what it stands on (WCAG 2.2, 1.4.3)."""
NOBODY = Standing(Choices(frozenset(), None, False), None)
"""What the page of a forged token shows."""


@cache
def words(language: Language) -> dict[str, Any]:
    """The words of the pages, set as a printer would."""
    read: dict[str, Any] = _set(read_yaml(WEB / f"public.{language}.yaml"), language)
    return read


def wording_version(language: Language) -> str:
    """Names the words that somebody had before them: `public-1/fr`."""
    return f"public-{words(language)['version']}/{language}"


def _set(value: Any, language: str) -> Any:
    if isinstance(value, dict):
        return {key: _set(one, language) for key, one in value.items()}
    if isinstance(value, list):
        return [_set(one, language) for one in value]
    return typography(value, language).replace("e-mail", f"e{NO_BREAK_HYPHEN}mail") if isinstance(value, str) else value


class Pages:
    """The pages of one shop. `root`: the path under which they are mounted."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._pages = Environment(
            loader=FileSystemLoader(WEB),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._pages.globals.update(shop=shop, legal=shop.legal.split(" · ")[0])
        self.css = self._pages.get_template("public.css.j2").render(colours=colours(shop))

    def language(self, known: str | None, accepted: str) -> Language:
        """The customer's, else what the browser asks for, else the shop's."""
        for wanted in (known, *_accepted(accepted)):
            for language in self.shop.languages:
                if wanted == language:
                    return language
        return self.shop.language

    def unsubscribe(self, language: Language, *, root: str, rather: str) -> str:
        return self._render("unsubscribe", language, root=root, rather=rather)

    def unsubscribed(self, language: Language, *, root: str, rather: str) -> str:
        return self._render("unsubscribed", language, root=root, rather=rather)

    def preferences(self, language: Language, standing: Standing, *, root: str, saved: bool) -> str:
        fewer, until = self.shop.caps.fewer.most, standing.calls_until
        forms = words(language)["preferences"]["messages"]
        return self._render(
            "preferences",
            language,
            root=root,
            standing=standing,
            saved=saved,
            call_days=min(self.shop.calls.consent_days, CALL_DAYS),
            calls_until=long_date(until, language) if until else None,
            messages=plural(fewer, forms["one"], forms["many"], language).format(n=fewer),
            names=words(language)["languages"],
        )

    def error(self, language: Language, status: int, *, root: str) -> str:
        known = words(language)["errors"]
        return self._render("error", language, root=root, status=status if status in known else 500)

    def _render(self, page: str, language: Language, **known: Any) -> str:
        template = self._pages.get_template("public.html.j2")
        return template.render(page=page, language=language, say=words(language), **known)


def _accepted(header: str) -> Iterable[str]:
    """The languages of an Accept-Language header, best first; what can't be read is passed over."""
    weighed = []
    for place, part in enumerate(header[:200].split(",")):
        name, _, rest = part.strip().partition(";")
        try:
            weight = float(rest.strip().removeprefix("q=")) if rest else 1.0
        except ValueError:
            continue
        weighed.append((-weight, place, name.split("-")[0].lower()))
    return [name for _, _, name in sorted(weighed)]


# Colours


def colours(shop: Shop) -> Mapping[str, str]:
    """The letterhead's colours, moved to where they can be read on light and on dark paper."""
    accent, dark = shop.letterhead.accent, "#221e1a"
    dark_accent = readable(accent, dark, "#ffffff")
    return {
        "accent": accent,
        "on_accent": readable("#ffffff", accent, "#000000"),
        "ink": readable(shop.letterhead.ink, "#ffffff", "#000000"),
        "link": readable(accent, "#ffffff", "#000000"),
        "dark_accent": dark_accent,
        "dark_on_accent": readable("#191613", dark_accent, "#000000"),
        "dark_link": dark_accent,
    }


def readable(colour: str, ground: str, towards: str) -> str:
    """The colour, moved no further towards the other one than it takes to be read on that ground."""
    if contrast(towards, ground) < CONTRAST:  # neither black nor white ground: the other way is better
        towards = {"#ffffff": "#000000", "#000000": "#ffffff"}[towards]
    for step in range(21):
        mixed = _mix(colour, towards, step / 20)
        if contrast(mixed, ground) >= CONTRAST + 0.3:  # paper is a shade off white
            return mixed
    return towards


def contrast(one: str, other: str) -> float:
    """1 to 21 (WCAG 2.2, contrast ratio)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _parts(colour: str) -> list[int]:
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


def _mix(one: str, other: str, share: float) -> str:
    parts = zip(_parts(one), _parts(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in parts)


def _luminance(colour: str) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in _shares(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _shares(colour: str) -> list[float]:
    return [part / 255 for part in _parts(colour)]

"""How a letter, an e-mail or a call begins: never *Dear Sir or Madam*, never *Bonjour None*."""

from __future__ import annotations

GREETINGS = {
    ("fr", "M"): "Cher Monsieur",
    ("fr", "MME"): "Chère Madame",
    ("en", "M"): "Dear Mr",
    ("en", "MME"): "Dear Ms",
}
NEUTRAL = {"fr": "Bonjour", "en": "Dear"}
NAMELESS = {"fr": "Bonjour", "en": "Hello"}

NO_BREAK = "\u00a0"


def name(first_name: str | None, last_name: str | None) -> str:
    """The name as its bearer writes it: case, particles, apostrophes and hyphens are theirs."""
    return " ".join(part for half in (first_name, last_name) for part in (half or "").split())


def salutation(
    civility: str | None, first_name: str | None, last_name: str | None, language: str, *, channel: str
) -> str:
    """The opening with its comma. `civility` is M, MME or None, `language` fr or en.

    Without a civility the name alone is used: we do not guess. Without a usable name only an e-mail or a call may
    open (`Bonjour,`): a ValueError for a letter, whose readers must be known by name.
    """
    family = name(None, last_name)
    greeting = GREETINGS.get((language, civility or ""))
    if family and greeting:
        return f"{greeting}{NO_BREAK}{family},"
    full = name(first_name, last_name)
    if full:
        return f"{NEUTRAL[language]} {full},"
    if channel == "letter":
        raise ValueError("a letter is for someone with a name: letter_barrier no_name")
    return f"{NAMELESS[language]},"

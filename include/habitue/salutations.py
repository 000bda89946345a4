"""How a letter, an e-mail or a call begins: never *Dear Sir or Madam*, never *Bonjour None*."""

from __future__ import annotations

import re

GREETINGS = {
    ("fr", "M"): "Cher Monsieur",
    ("fr", "MME"): "Chère Madame",
    ("en", "M"): "Dear Mr",
    ("en", "MME"): "Dear Ms",
}
NEUTRAL = {"fr": "Bonjour", "en": "Dear"}
NAMELESS = {"fr": "Bonjour", "en": "Hello"}

NO_BREAK = "\u00a0"


PARTICLES = frozenset({"de", "du", "des", "von", "vom", "zu", "zum", "zur", "d", "y"})
"""Small even where a family name begins with them; `la` and `l'` after `de` too."""
ARTICLES = frozenset({"der", "den", "dem", "ten", "ter", "het", "t"})
"""Small behind another word: Van der Berg, but Ter Horst."""
NUMERALS = frozenset({"II", "III", "IV"})

_TITLE = re.compile(r"(?:M\.|MM\.|(?:MR|MRS|MS|MME|MLLE|MADAME|MONSIEUR|MADEMOISELLE)\b\.?)\s*(?=\w)", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
_INITIALS = re.compile(r"[BCDFGHJKLMNPQRSTVWXZ]{2,3}")


def untitled(last_name: str | None) -> str:
    """A family name in one line, without the title before it and the comma behind it that a shop's form let in: else
    *Madame Durand,* is greeted as *Chère Madame Madame Durand,,*. A title that is all there is stays."""
    return _TITLE.sub("", " ".join((last_name or "").split()).rstrip(" ,;"), count=1)


def spoken(half: str | None, *, family: bool = False) -> str:
    """A first or family name as a letter speaks it: `DE LA TOUR` is `de la Tour`. Only a name that is written in
    capitals from end to end changes; whoever writes small letters at all writes them where they belong.

    Some stay as they are: single letters and initials (J. P., JC), II and III, scripts without small letters, and
    Greek, whose capitals bear no accents that its small letters need.
    """
    written = " ".join((half or "").split())
    letters = _WORD.findall(written)
    if sum(map(len, letters)) < 2 or not written.isupper() or any("\u0370" <= one <= "\u03ff" for one in written):
        return written
    turkish = "İ" in written or "Ğ" in written
    last = len(letters) - 1
    said: list[str] = []
    pieces, at = [], 0
    for place, found in enumerate(_WORD.finditer(written)):
        word = found[0]
        joined = written[found.end() : found.end() + 1] in ("'", "’")
        said.append(_said(word, said, family=family, ends=place == last, joined=joined, turkish=turkish))
        pieces += [written[at : found.start()], said[-1]]
        at = found.end()
    return "".join([*pieces, written[at:]])


def _said(word: str, before: list[str], *, family: bool, ends: bool, joined: bool, turkish: bool) -> str:
    """One word of a name in capitals, behind those `before` it; `joined` to the next one by an apostrophe."""
    small = (word.replace("I", "ı") if turkish else word).replace("İ", "i").lower()
    if not ends and (family or before):
        if small in ARTICLES and before:
            return small
        if small in PARTICLES and (len(small) > 1 or joined or (small == "y" and before)):
            return small
        if before and before[-1] == "de" and small in ("la", "l"):
            return small
    if len(word) == 1 or (ends and before and word in NUMERALS) or (not family and _INITIALS.fullmatch(word)):
        return word
    if family and len(word) > 4 and small.startswith("mc"):
        return f"Mc{word[2]}{small[3:]}"
    return word[0] + small[1:]


def name(first_name: str | None, last_name: str | None) -> str:
    """The name as its bearer writes it: case, particles, apostrophes and hyphens are theirs; but for capitals
    throughout (`spoken`)."""
    return " ".join(filter(None, (spoken(first_name), spoken(untitled(last_name), family=True))))


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

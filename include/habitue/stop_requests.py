"""Does a reply ask us to stop writing? Only where nothing else can be meant: any other goes to a person."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from html.parser import HTMLParser

from habitue.mail_parts import Part, leaves
from habitue.mail_parts import words as decoded


class Wish(StrEnum):
    STOP = "stop"
    """says so, and nothing else"""
    UNSURE = "unsure"
    """one of the words is there, among others: "don't stop!" """
    NONE = "none"


_COURTESY = frozenset(
    word
    for line in (
        "bonjour, bonsoir, merci, svp, stp, cordialement, madame, monsieur",
        "hello, hi, dear, please, pls, thanks, thank, you",
    )
    for word in line.split(", ")
)
_ASKS = frozenset(
    words
    for line in """
        stop, stop mail, stop mails, stop email, stop emails, stop e mail, stop pub, stop publicite, stop it
        arret, arretez, opt out, optout, opt me out, take me off your list
        unsubscribe, unsubscribe me, unsubscribe now, i want to unsubscribe, i would like to unsubscribe
        remove, remove me, remove me from your list, remove me from this list
        desabonnement, demande de desabonnement, desabonner, se desabonner, me desabonner, de me desabonner
        desabonnez moi, je me desabonne, je veux me desabonner, je voudrais me desabonner, je souhaite me desabonner
        veuillez me desabonner, desinscription, demande de desinscription, desinscrire, se desinscrire
        me desinscrire, de me desinscrire, desinscrivez moi, je me desinscris, je veux me desinscrire
        je voudrais me desinscrire, je souhaite me desinscrire, veuillez me desinscrire
    """.strip().splitlines()
    for words in line.strip().split(", ")
)
_HINTS = re.compile(r"\bstop|\barret|\bunsub|\bdesabon|\bdesinscri|\bremove me\b|\bopt (?:me )?out\b|\boff your list\b")
_ANSWER = re.compile(r"^(?:\s*(?:re|rép|rep|aw|sv)\s*(?:\[\d+\])?\s*:)+", re.IGNORECASE)
_QUOTED = re.compile(
    r"^\s*(?:>|\||-{2,}|_{5,}|(?:on|le)\b.{0,200}(?:wrote|écrit)\s*:\s*$|(?:from|de|von|da)\s*:\s)", re.IGNORECASE
)
_ATTRIBUTION = re.compile(r"^\s*(?:on|le)\b.{0,200}$", re.IGNORECASE)
_LONGEST_LINE = 300


def wish_of(mail: Part) -> Wish:
    """By the subject, or by the first line of the person's own text; what is quoted below says nothing."""
    subject = decoded(mail.headers.get("Subject"))
    line, all_lines = _own_text(_readable(mail))
    if _asks(subject) or _asks(line):
        return Wish.STOP
    hints = all_lines if _ANSWER.match(subject) and not _asks(_ANSWER.sub("", subject)) else f"{subject} {all_lines}"
    return Wish.UNSURE if _HINTS.search(_bare(hints)) else Wish.NONE


def _asks(line: str) -> bool:
    """Whether this line is one of the phrases, with nothing but a courtesy around it. A question asks nothing yet."""
    if "?" in line:
        return False
    bare = _bare(line).removeprefix("s il vous plait ").removesuffix(" s il vous plait").removesuffix(" s il te plait")
    return " ".join(word for word in bare.split() if word not in _COURTESY) in _ASKS


def _bare(text: str) -> str:
    """Letters and digits, without accents, in small letters, with single spaces."""
    plain = unicodedata.normalize("NFKD", text[:10_000].replace("œ", "oe")).casefold()
    kept = "".join(letter if letter.isalnum() else " " for letter in plain if not unicodedata.combining(letter))
    return " ".join(kept.split())


def _own_text(text: str) -> tuple[str, str]:
    """The first line that the person wrote, and all that they wrote, up to what is quoted."""
    own: list[str] = []
    lines = text[:20_000].splitlines()
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        folded = _ATTRIBUTION.match(line) and _QUOTED.match(f"{line} {following}".replace("\n", " "))
        if _QUOTED.match(line) or folded:
            break
        if line.strip():
            own.append(line.strip()[:_LONGEST_LINE])
    return (own[0] if own else ""), "\n".join(own)


def _readable(mail: Part) -> str:
    """The text part or, where there is none, what the HTML part shows."""
    markup = None
    for part in leaves(mail):
        if part.headers.get_content_disposition() == "attachment":
            continue
        if part.kind == "text/plain":
            return part.text()
        if part.kind == "text/html" and markup is None:
            markup = part
    return _shown(markup.text()[:500_000]) if markup else ""


class _Shown(HTMLParser):
    """Collects what a reader sees, line by line, up to what a mail program quotes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.hidden = 0
        self.over = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        marks = " ".join(value or "" for name, value in attrs if name in ("class", "id"))
        if tag == "blockquote" or re.search("gmail_quote|moz-cite|divRplyFwdMsg|appendonsend", marks):
            self.over = True
        if tag in ("style", "script", "title"):
            self.hidden += 1
        elif tag in ("br", "p", "div", "tr", "li", "hr"):
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script", "title"):
            self.hidden = max(self.hidden - 1, 0)
        elif tag in ("p", "div", "tr", "li"):
            self.found.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.hidden and not self.over:
            self.found.append(" ".join(data.split()))


def _shown(markup: str) -> str:
    reader = _Shown()
    reader.feed(markup)
    reader.close()
    return "".join(reader.found)

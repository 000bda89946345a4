"""The lint of texts: what is wrong with a template, in which file, on which line, and how to mend it.

An error is what would fail, mislead or break a rule of mail; a warning is what a careful reader would mend. Copy is
looked at twice: as it is written, once typography has set it, which finds words, links, quotes and spaces on branches
that no sample takes; and as the mail that each sample (`proofs`) would get, with its layout.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jinja2 import TemplateSyntaxError, meta, nodes

from habitue import calls, emails, letters, proofs
from habitue.campaigns import FOLDERS
from habitue.emails import EmailTemplate, Rendered
from habitue.errors import TemplateError
from habitue.offers import Offer
from habitue.proofs import Known, Person, Proof
from habitue.settings import INCLUDE, Language, shown
from habitue.shop import Shop
from habitue.tables import Channel
from habitue.texts import NARROW, NO_BREAK, environment

DAY = date(2026, 9, 2)
"""On which the samples' mails are made out: their offers end on long dates."""
SUBJECT, PREHEADER = 60, 110
"""Characters that inboxes show: of a subject, and of the line behind it."""
SIZE = 80_000
"""Bytes of HTML from which on a mail is near those where Gmail cuts it (emails.LARGEST)."""
CANARY = "Zzcanari"
ONLY_WORDS = {Channel.EMAIL: "layout", Channel.CALL: "guide"}
"""Files of words beside the texts: they have blocks of their own."""
BLOCKS = {
    Channel.EMAIL: emails.BLOCKS,
    Channel.CALL: frozenset(calls.BLOCKS),
    Channel.LETTER: frozenset({"subject", "body", "offer_title", "offer_text", "closing", "postscript"}),
}
MAY_HAVE = {
    Channel.LETTER: frozenset({"rewards_title", "rewards"}),
    Channel.CALL: frozenset(calls.ANSWERS + calls.OBJECTIONS),
}
"""Blocks that a text need not have."""


def _words(sentence: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", sentence.casefold())


# Words that one language uses all the time and the other never.
_FRENCH = """le la les des du et est vous votre vos nous notre nos une un avec dans pour que qui sur ce cette pas au aux
il elle sont ne je mais"""
_ENGLISH = """the and of to you your we our is are with for this that from have will at it not be by was they what been
us my has had"""
COMMON: dict[Language, frozenset[str]] = {"fr": frozenset(_words(_FRENCH)), "en": frozenset(_words(_ENGLISH))}
_NAMES = re.compile("«[^»]{1,40}»|“[^”]{1,40}”")
"""A few words in quotation marks are a name, in whatever language."""
_VALUE, _PERSONAL = "\ufffc", "\ufffd"
"""Where a value stands in copy that is looked at; the second for one of the customer's."""


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    """One thing to mend. `file` as people name it, `line` from 1; `message` says what and how."""

    file: str
    line: int
    severity: Severity
    message: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.message}"


def lint(channel: Channel, name: str, shop: Shop, offer: Offer | None = None) -> list[Complaint]:
    """All that is wrong with a text in all languages of the shop, and with the layout that it is put in. `offer`: the
    longest that a campaign makes with it."""
    texts, found = [], set[Complaint]()
    for language in shop.languages:
        file = _folder(channel) / f"{name}.{language}.j2"
        if not file.is_file():
            spoken = " and ".join(shop.languages)
            found.add(_error(file, 1, f"there is no such file, and the shop writes in {spoken}: write it"))
            continue
        text = Copy(channel, name, language, file, shop, offer)
        found.update(text.complaints())
        texts.append(text)
    for one, other in combinations([text for text in texts if text.tree], 2):
        found.update(_untranslated(one, other))
    if channel is Channel.EMAIL and name not in ONLY_WORDS.values():
        for text in texts:
            if not any(one.severity is Severity.ERROR and one.file == shown(text.file) for one in found):
                found.update(_as_mails(text))
    return sorted(found)


def lint_these(texts: Iterable[tuple[Channel, str]], shop: Shop) -> list[Complaint]:
    """All that is wrong with these texts; with their layouts once."""
    made = proofs.offers()
    return sorted({one for text in texts for one in lint(*text, shop, made.get(text))})


def every_text() -> list[tuple[Channel, str]]:
    return [(channel, name) for channel in Channel for name in names(channel)]


def names(channel: Channel) -> list[str]:
    """Every text of the channel, its files of words included."""
    extra = [name for one, name in ONLY_WORDS.items() if one is channel]
    return [*extra, *proofs.templates(channel, _folder(channel))]


def named(file: Path) -> tuple[Channel, str] | None:
    """The text to which a file belongs; None for a file that is no copy."""
    for channel in Channel:
        if file.is_relative_to(_folder(channel)) and re.search(r"\.[a-z]{2}\.j2$", file.name):
            return channel, file.relative_to(_folder(channel)).as_posix().rsplit(".", 2)[0]
    return None


def _folder(channel: Channel) -> Path:
    return emails.FOLDER if channel is Channel.EMAIL else INCLUDE / "templates" / FOLDERS[channel]


def _error(file: Path, line: int, message: str) -> Complaint:
    return Complaint(shown(file), line, Severity.ERROR, message)


def _warning(file: Path, line: int, message: str) -> Complaint:
    return Complaint(shown(file), line, Severity.WARNING, message)


# Copy as it is written


@dataclass(frozen=True)
class Prose:
    """A block's words, with a mark where each value stands, and the line of each of its pieces."""

    text: str
    starts: list[int]
    lines: list[int]

    def line(self, at: int) -> int:
        piece = bisect_right(self.starts, at) - 1
        return self.lines[piece] + self.text[self.starts[piece] : at].count("\n")

    def sentences(self) -> Iterator[tuple[int, str]]:
        """Each sentence with its place."""
        for found in re.finditer(r"[^.!?…;\n]+(?:\n(?!\s*\n)[^.!?…;\n]+)*", self.text):
            yield found.start() + len(found[0]) - len(found[0].lstrip()), " ".join(found[0].split())


@dataclass(frozen=True)
class Copy:
    """A copy file that is looked at."""

    channel: Channel
    name: str
    language: Language
    file: Path
    shop: Shop
    offer: Offer | None

    @cached_property
    def source(self) -> str:
        return self.file.read_text("utf-8")

    @cached_property
    def _parsed(self) -> nodes.Template | Complaint:
        try:
            return environment(html=False, language=self.language).parse(self.source)
        except TemplateSyntaxError as error:
            return _error(self.file, error.lineno, f"{error.message or 'not a template'}")
        except RecursionError:
            return _error(self.file, 1, "too deeply nested; write it simpler")

    @property
    def tree(self) -> nodes.Template | None:
        return None if isinstance(self._parsed, Complaint) else self._parsed

    @cached_property
    def blocks(self) -> dict[str, Prose]:
        found = self.tree.find_all(nodes.Block) if self.tree else ()
        return {block.name: _prose(block) for block in found}

    def line_of(self, block: str) -> int:
        found = re.search(rf"\{{%-?\s*block {block}\b", self.source)
        return self.source[: found.start()].count("\n") + 1 if found else 1

    def complaints(self) -> Iterator[Complaint]:
        if isinstance(self._parsed, Complaint):
            yield self._parsed
            return
        yield from self._shape()
        yield from self._unknown_words(self._parsed)
        for prose in self.blocks.values():
            yield from self._links(prose)
            yield from self._foreign(prose)
            yield from self._typeset(prose)

    def _shape(self) -> Iterator[Complaint]:
        if self.name in ONLY_WORDS.values():
            return
        wanted = BLOCKS[self.channel]
        if missing := wanted - self.blocks.keys():
            yield _error(self.file, 1, f"write the blocks {', '.join(sorted(missing))}")
        known = wanted | MAY_HAVE.get(self.channel, frozenset())
        for surplus in sorted(self.blocks.keys() - known):
            yield _error(self.file, self.line_of(surplus), f"unknown block {surplus}; there are {_list(known)}")

    def _unknown_words(self, tree: nodes.Template) -> Iterator[Complaint]:
        known = self._known()
        unknown = meta.find_undeclared_variables(tree) - known.keys() - {"language"}
        for word in tree.find_all(nodes.Name):
            if word.name in unknown:
                yield _error(self.file, word.lineno, f"unknown word {word.name}; there are {_list(known)}")
        for part_of in tree.find_all(nodes.Getattr):
            owner, owned = _path(part_of), known
            for step, part in enumerate(owner or ()):
                if not isinstance(owned, Mapping) or (step == 0 and part not in known):
                    break
                if part not in owned:
                    before = ".".join((owner or ())[:step])
                    message = f"unknown word {part}; {before} has {_list(owned)}"
                    yield _error(self.file, part_of.lineno, message)
                    break
                owned = owned[part]

    def _known(self) -> dict[str, Any]:
        words = _proof(self, proofs.samples().people["anna"]).email_words()
        if self.channel is Channel.LETTER:
            return {key: words[key] for key in ("customer", "facts", "offer")} | {
                "shop": letters.shop_words(self.shop, self.language)
            }
        spoken = emails.WORDS if self.channel is Channel.EMAIL else calls.WORDS
        return {key: value for key, value in words.items() if key in spoken} | {"shop": calls.shop_words(self.shop)}

    def _links(self, prose: Prose) -> Iterator[Complaint]:
        for found in re.finditer(r"http://\S+", prose.text):
            yield _error(self.file, prose.line(found.start()), "a link without https: write https://")
        for found in re.finditer(rf"https?://[^\s{_PERSONAL}]*{_PERSONAL}", prose.text):
            message = "a link with what is known of the customer, which ends in the logs of others: take it out"
            yield _error(self.file, prose.line(found.start()), message)

    def _foreign(self, prose: Prose) -> Iterator[Complaint]:
        sentences = list(prose.sentences())
        for at, sentence in sentences:
            words = _words(_NAMES.sub(" ", sentence))
            own = sum(word in COMMON[self.language] for word in words)
            for language, common in COMMON.items():
                theirs = sum(word in common for word in words)
                if language != self.language and own == 0 and len(words) > 2 and theirs > (len(sentences) > 1):
                    message = f"this sentence reads like {language} in a text in {self.language}: translate it"
                    yield _warning(self.file, prose.line(at), message)

    def _typeset(self, prose: Prose) -> Iterator[Complaint]:
        rules = _TYPOGRAPHY_OF_ALL + (_TYPOGRAPHY_OF_FRENCH if self.language == "fr" else ())
        for pattern, message in rules:
            for found in re.finditer(pattern, prose.text):
                yield _warning(self.file, prose.line(found.start()), message)


_TYPOGRAPHY_OF_ALL = (
    ("'", "a straight apostrophe: write ’"),
    ('"', "a straight quotation mark: write « » in French, “ ” in English"),
)
_SPACE = f"[{NO_BREAK}{NARROW}]"
_TYPOGRAPHY_OF_FRENCH = (
    (
        rf"[^\s.!?…{NO_BREAK}{NARROW}][;!?](?=\s|$)",
        "French sets a space before ; ! and ?: type one, it becomes a narrow one",
    ),
    (rf"[^\s\d{NO_BREAK}{NARROW}]:(?=\s|$)", "French sets a space before a colon: type one, it becomes a no-break one"),
    (
        rf"[ \n]\s*[;:!?»]|[ \n]{_SPACE}[;:!?»]",
        "a space that a line may break at before ; : ! ? or »: type exactly one",
    ),
    (rf"«(?!{_SPACE})|«{_SPACE}\s", "no no-break space behind «: type exactly one space"),
    (rf"[^\s{NO_BREAK}{NARROW}]»", "no no-break space before »: type one space"),
    (r"\d[%€]", "French sets a no-break space before % and €: type one space"),
)


def _prose(block: nodes.Block) -> Prose:
    text, starts, lines = [], [], []
    length = 0
    for piece, line in _pieces(block):
        starts.append(length)
        lines.append(line)
        text.append(piece)
        length += len(piece)
    return Prose("".join(text), starts or [0], lines or [block.lineno])


def _pieces(node: nodes.Node) -> Iterator[tuple[str, int]]:
    """The words and the marks of values, in their order."""
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.TemplateData):
            yield child.data, child.lineno
        elif isinstance(node, nodes.Output):
            names = {name.name for name in child.find_all(nodes.Name)} | {getattr(child, "name", "")}
            yield _PERSONAL if names & {"customer", "facts"} else _VALUE, child.lineno
        elif isinstance(child, nodes.Stmt):
            yield from _pieces(child)


def _path(word: nodes.Node) -> list[str] | None:
    """`customer.name` as its parts; None where it starts with something else than a name."""
    if isinstance(word, nodes.Getattr):
        before = _path(word.node)
        return None if before is None else [*before, word.attr]
    return [word.name] if isinstance(word, nodes.Name) else None


def _list(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))


def _untranslated(one: Copy, other: Copy) -> Iterator[Complaint]:
    """Sentences that stand in both languages."""
    said = {" ".join(_words(sentence)) for prose in one.blocks.values() for _, sentence in prose.sentences()}
    for prose in other.blocks.values():
        for at, sentence in prose.sentences():
            words = _words(sentence)
            if len(words) > 2 and " ".join(words) in said:
                message = f"the same sentence stands in {one.file.name}: translate one of them"
                yield _warning(other.file, prose.line(at), message)


# Copy as mails


class _Page(HTMLParser):
    """A mail's links, pictures and headings."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.headings = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag in ("a", "area"):
            self.links.append(known.get("href") or "")
        elif tag == "img":
            self.pictures.append(known)
        self.headings += tag == "h1"


def _proof(copy: Copy, person: Person) -> Proof:
    return Proof(person, copy.language, copy.offer, DAY, copy.shop)


def _people() -> Iterator[Person]:
    yield from proofs.samples().people.values()
    known = Known(last_purchase=DAY, favourite=CANARY, purchases=2, this_year=1)
    yield Person(language="fr", civility="MME", first_name=CANARY, last_name=CANARY, facts=known)


def _as_mails(copy: Copy) -> Iterator[Complaint]:
    try:
        template = EmailTemplate.load(copy.name, copy.language, copy.shop)
        mails = [_proof(copy, person).email(template) for person in _people()]
    except TemplateError as error:
        yield _located(copy, str(error))
        return
    longest = max(len(mail.subject) for mail in mails)
    if longest > SUBJECT:
        message = f"a subject of up to {longest} characters: inboxes show {SUBJECT}, shorten it"
        yield _warning(copy.file, copy.line_of("subject"), message)
    longest = max(len(mail.preheader) for mail in mails)
    if longest > PREHEADER:
        message = f"a preheader of up to {longest} characters: inboxes show {PREHEADER}, shorten it"
        yield _warning(copy.file, copy.line_of("preheader"), message)
    if (size := max(len(mail.html.encode()) for mail in mails)) > SIZE:
        message = f"{size} bytes of HTML, near the {emails.LARGEST} where mail programs cut a mail: shorten it"
        yield _warning(copy.file, copy.line_of("body"), message)
    yield from _page_complaints(copy, mails)


def _page_complaints(copy: Copy, mails: Sequence[Rendered]) -> Iterator[Complaint]:
    """What the layout and its partials do wrong, told of the file where it stands."""
    page, text = _Page(mails[-1].html), mails[-1].text
    way_out = f"{copy.shop.sender.unsubscribe_url}sample"
    if way_out not in page.links:
        yield _error(
            *_place(copy, "mjml", "unsubscribe_url"), "no link to unsubscribe: put {{ unsubscribe_url }} in it"
        )
    if not re.search(rf"(?<!\S){re.escape(way_out)}(?!\S)", text):
        yield _error(
            *_place(copy, "txt.j2", "unsubscribe_url"), "no link to unsubscribe: put {{ unsubscribe_url }} in it"
        )
    if page.headings != 1:
        message = f"{page.headings} headings <h1>: a mail has one"
        yield _error(*_place(copy, "mjml", "<h1", last=True), message)
    for link in [*page.links, *re.findall(r"\w+://\S+", text)]:
        if not re.match("https://|mailto:|tel:", link):
            yield _error(*_place(copy, "mjml", link), "a link without https: write https://, mailto: or tel:")
        if CANARY.casefold() in unquote(link).casefold():
            message = "a link with what is known of the customer, which ends in the logs of others: take it out"
            yield _error(*_place(copy, "mjml", "customer"), message)
    for picture in page.pictures:
        source = picture.get("src") or ""
        if picture.get("alt") is None:
            message = 'a picture without alt: say what it shows, or alt="" where it only decorates'
            yield _error(*_place(copy, "mjml", source), message)
        if not source.startswith(("https://", "cid:")):
            yield _error(*_place(copy, "mjml", source), "a picture without https: write https://")


def _files(copy: Copy, ending: str) -> list[Path]:
    """The partials and the layout that the mail is put in."""
    found = []
    for name in emails.PARTIALS:
        own = copy.file.parent / f"{name}.{ending}"
        found.append(own if own.is_file() else emails.FOLDER / own.name)
    return [*found, emails.FOLDER / f"layout.{ending}"]


def _place(copy: Copy, ending: str, words: str, *, last: bool = False) -> tuple[Path, int]:
    """The file and the line where the words stand, or the layout's first."""
    places = [
        (file, number)
        for file in _files(copy, ending)
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if words and words in line
    ]
    return (places[-1] if last else places[0]) if places else (emails.FOLDER / f"layout.{ending}", 1)


def _located(copy: Copy, said: str) -> Complaint:
    """A TemplateError's sentence (`emails/footer.mjml, line 2: …`, `…, block 'body': …`) as a complaint."""
    found = re.match(r"([^\s,:]+)(?:, line (\d+))?(?:, block '(\w+)')?: (.*)", said, re.DOTALL)
    if not found:
        return _error(copy.file, 1, said)
    involved = [*_files(copy, "mjml"), *_files(copy, "txt.j2"), copy.file]
    name = found[1].removeprefix("emails/")
    file = next((one for one in involved if one.as_posix().endswith(name)), copy.file)
    line = int(found[2] or 0) or (copy.line_of(found[3]) if found[3] else 1)
    block = f"block {found[3]}: " if found[3] else ""
    return _error(file, line, f"{block}{found[4]}")

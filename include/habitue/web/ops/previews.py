"""Any text for anybody: a letter as a picture and a PDF, a mail as it is, a script, in each of the shop's languages.

For a sample person, who does not exist, or, for ops alone and audited, for a customer by their number. Links in it
unsubscribe nobody, and the letter goes to an invented address.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import HTMLResponse, Response

from habitue import proofs
from habitue.campaigns import FOLDERS
from habitue.errors import HabitueError
from habitue.house import House
from habitue.kinds import Audited, Channel
from habitue.letters import Press, Unprintable
from habitue.proofs import Proof
from habitue.settings import Language
from habitue.web.ops.run_contents import MAIL_POLICY
from habitue.web.ops.shell import Here, Role, Visit, allowed, page
from habitue.web.pages import Page

routes = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS, Role.MANAGER)])


@dataclass(frozen=True)
class Asked:
    """What is to be shown: a text (`letters/quarterly/lapsed`), for whom, in which language (empty: in each)."""

    template: str
    customer: str
    sample: str
    language: str

    def query(self, language: str) -> str:
        """The same in one language, as an address has it."""
        who = {"customer": self.customer} if self.customer else {"sample": self.sample}
        return urlencode({"template": self.template, **who, "in": language})


def asked(
    here: Here,
    template: str = "",
    customer: Annotated[str, Query(max_length=200)] = "",
    sample: str = "",
    language: Annotated[str, Query(alias="in")] = "",
) -> Asked:
    if customer and here.visitor.role is not Role.OPS:
        raise HTTPException(403, "a customer's message is for ops alone: take a sample person")
    known = [one for one in here.shop.languages if one == language]
    return Asked(template, customer.strip(), sample or next(iter(proofs.samples().people)), "".join(known))


Wanted = Annotated[Asked, Depends(asked)]


@dataclass
class Shown:
    """The text in one language."""

    language: Language
    query: str
    subject: str = ""
    preheader: str = ""
    text: str = ""
    wrong: str = ""
    """why it can't be made"""
    remarks: list[str] = field(default_factory=list)
    """what the lint says"""


@routes.get("/campaigns/preview")
def preview(here: Here, wanted: Wanted) -> Response:
    channel, shown, wrong = None, [], ""
    if wanted.template:
        try:
            channel, name = proofs.find(wanted.template)
            person = _person(here, wanted)
            languages: list[Language] = [one for one in here.shop.languages if wanted.language in ("", one)]
            shown = [_shown(here, wanted, channel, name, person, one) for one in languages]
        except HabitueError as error:
            wrong = str(error)
        if shown and wanted.customer:
            here.note(Audited.VIEWED, wanted.customer, subject="preview")
    return page(
        here,
        "preview.html.j2",
        area="campaigns",
        wide=True,
        wanted=wanted,
        channel=channel,
        shown=shown,
        wrong=wrong,
        status=404 if wrong else 200,
        texts={FOLDERS[one]: proofs.templates(one) for one in Channel},
        people=proofs.samples().people,
    )


@routes.get("/campaigns/preview/mail")
def mail(here: Here, wanted: Wanted) -> Response:
    """The mail, for a frame."""
    proof, name = _proof(here, wanted, Channel.EMAIL)
    with _made():
        html = proof.email(_email(name, proof.language, here.house)).html
    return HTMLResponse(html, headers={"Content-Security-Policy": MAIL_POLICY})


@routes.get("/campaigns/preview/letter.png")
def letter_picture(here: Here, wanted: Wanted) -> Response:
    """The first page with its envelope over it."""
    from habitue.letter_previews import in_its_envelope

    proof, name = _proof(here, wanted, Channel.LETTER)
    with _made():
        picture = in_its_envelope(Press(here.shop, on=proof.on), proof.letter(name))
    return Response(picture, media_type="image/png")


@routes.get("/campaigns/preview/letter.pdf")
def letter_pdf(here: Here, wanted: Wanted) -> Response:
    """All its pages, tagged for screen readers."""
    proof, name = _proof(here, wanted, Channel.LETTER)
    with _made():
        pdf = Press(here.shop, on=proof.on).proof(proof.letter(name))
    if wanted.customer:
        here.note(Audited.EXPORTED, wanted.customer, subject="preview", rows=1)
    file = f'attachment; filename="{name.replace("/", "-")}.{proof.language}.pdf"'
    return Response(pdf, media_type="application/pdf", headers={"Content-Disposition": file})


@contextmanager
def _made() -> Iterator[None]:
    """404 with the reason where it can't be made for this reader."""
    try:
        yield
    except (HabitueError, Unprintable) as error:
        raise HTTPException(404, str(error)) from None


def _person(here: Visit, wanted: Asked) -> proofs.Person:
    return proofs.customer(here.house, wanted.customer) if wanted.customer else proofs.sample(wanted.sample)


def _proof(here: Visit, wanted: Asked, channel: Channel) -> tuple[Proof, str]:
    try:
        found, name = proofs.find(wanted.template)
        person = _person(here, wanted)
    except HabitueError:
        raise HTTPException(404, "there is no such text, or nobody of that name or number") from None
    if found is not channel:
        raise HTTPException(404, f"{found} {name} is no {channel}")
    if wanted.customer:
        here.note(Audited.VIEWED, wanted.customer, subject="preview")
    language: Any = wanted.language or person.language
    return _of(here, channel, name, person, language), name


def _of(here: Visit, channel: Channel, name: str, person: proofs.Person, language: Language) -> Proof:
    return Proof(
        person, language, proofs.offers().get((channel, name)), here.at.astimezone(here.shop.tz).date(), here.shop
    )


def _shown(here: Visit, wanted: Asked, channel: Channel, name: str, person: proofs.Person, language: Language) -> Shown:
    from habitue.linting import lint

    proof, shown = _of(here, channel, name, person, language), Shown(language, wanted.query(language))
    try:
        match channel:
            case Channel.EMAIL:
                mail = proof.email(_email(name, language, here.house))
                shown.subject, shown.preheader, shown.text = mail.subject, mail.preheader, mail.text
            case Channel.LETTER:
                shown.subject = proof.letter(name).subject
            case Channel.CALL:
                shown.text = proof.call(_script(name, language, here.house))
    except (HabitueError, Unprintable) as error:
        shown.wrong = str(error)
    shown.remarks = [str(one) for one in lint(channel, name, here.shop, proof.offer)]
    return shown


def _email(name: str, language: Language, house: House) -> Any:
    from habitue.emails import EmailTemplate

    return EmailTemplate.load(name, language, house.shop)


def _script(name: str, language: Language, house: House) -> Any:
    from habitue.calls import CallScript

    return CallScript.load(name, language, house.shop)

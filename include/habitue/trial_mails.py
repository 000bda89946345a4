"""One mail to look at in a real mail program, sent as any other is, to somebody of the shop.

It goes to nobody's customer: a sample's words stand in it, its subject says that it is a test, and its links lead
nowhere: the token of its unsubscribe link is of no message. The ledger never hears of it.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from habitue import proofs
from habitue.emails import EmailTemplate
from habitue.house import House
from habitue.mime import Mail, Origin, check
from habitue.proofs import Person, Proof
from habitue.providers import open_sender
from habitue.senders import Receipt
from habitue.shop import Language, Shop
from habitue.tables import Channel

MARKS: dict[str, str] = {"fr": "[essai]", "en": "[test]"}
"""What a subject begins with."""
CAMPAIGN = "test"
"""For the headers that name a campaign."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a test: the provider's answer, and by what way it went (`outbox`, `smtp`, `sendgrid`)."""

    receipt: Receipt
    kind: str


def trial_mail(shop: Shop, template: str, language: Language, person: Person, *, to: str, at: datetime) -> Mail:
    """The mail. TemplateError where there is no such template; SendError where `to` is no address."""
    offer = proofs.offers().get((Channel.EMAIL, template))
    proof = Proof(person, language, offer, at.astimezone(shop.tz).date(), shop)
    content = proof.email(EmailTemplate.load(template, language, shop))
    mail = Mail(
        message_id=str(uuid4()),
        to_name="",
        to_address=to,
        subject=f"{MARKS[language]} {content.subject}",
        text=content.text,
        html=content.html,
        language=language,
        unsubscribe_url=proof.email_words()["unsubscribe_url"],
        origin=Origin.of(shop, CAMPAIGN, at),
    )
    check(mail)
    return mail


def send(house: House, mail: Mail) -> Answer:
    """Hands it over by the shop's sender. SendError where that gives up, SettingError where it lacks a secret."""
    with closing(open_sender(house.shop, house.access, out=house.out)) as sender:
        answer = sender.send([mail])
    if answer.stopped:
        raise answer.stopped
    return Answer(answer.receipts[0], house.shop.sender.kind)

"""One mail to look at in a real mail program, sent as any other is, to somebody of the shop.

It goes to nobody's customer: an invented one stands in it, its subject says that it is a test, and its links lead
nowhere: the token of its unsubscribe link is of no message. The ledger never hears of it.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

from habitue.emails import EmailTemplate
from habitue.house import House
from habitue.mime import Mail, Origin, check
from habitue.providers import open_sender
from habitue.salutations import name, salutation
from habitue.senders import Receipt
from habitue.shop import Language, Shop

MARKS: dict[str, str] = {"fr": "[essai]", "en": "[test]"}
"""What a subject begins with."""
CAMPAIGN = "test"
"""For the headers that name a campaign."""
NO_TOKEN = "test"  # noqa: S105 - that is the point of it
PERSON = {"civility": "MME", "first_name": "Camille", "last_name": "Exemple"}
"""Nobody; what is said of her purchases is as invented."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a test: the provider's answer, and by what way it went (`outbox`, `smtp`, `sendgrid`)."""

    receipt: Receipt
    kind: str


def known(shop: Shop, language: Language, on: date) -> dict[str, Any]:
    """What is known of the invented customer, as `EmailTemplate.render` wants it."""
    first, last = PERSON["first_name"], PERSON["last_name"]
    return {
        "customer": {**PERSON, "name": name(first, last), "language": language},
        "salutation": salutation(PERSON["civility"], first, last, language, channel="email"),
        "facts": {
            "last_purchase": on - timedelta(days=40),
            "favourite": "Darjeeling",
            "purchases": 9,
            "this_year": 4,
        },
        "offer": {
            "code": "TEST-TEST",
            "text": "…",
            "valid_until": on + timedelta(days=30),
            "url": f"{shop.website}/o/{NO_TOKEN}",
        },
        "unsubscribe_url": shop.sender.unsubscribe_url + NO_TOKEN,
    }


def trial_mail(shop: Shop, template: str, language: Language, *, to: str, at: datetime) -> Mail:
    """The mail. TemplateError where there is no such template; SendError where `to` is no address."""
    context = known(shop, language, at.astimezone(shop.tz).date())
    content = EmailTemplate.load(template, language, shop).render(context)
    mail = Mail(
        message_id=str(uuid4()),
        to_name="",
        to_address=to,
        subject=f"{MARKS[language]} {content.subject}",
        text=content.text,
        html=content.html,
        language=language,
        unsubscribe_url=context["unsubscribe_url"],
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

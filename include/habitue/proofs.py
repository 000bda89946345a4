"""Proofs: one text for one person, as it will be, before anybody is written to.

The person is one of the samples (`include/templates/samples.yaml`), who do not exist, or a customer of the base. Links
are made out to `sample`: whoever looks at a proof and clicks unsubscribes nobody.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import select

from habitue.calls import CallScript
from habitue.campaigns import FOLDERS, Offer, Way, campaign_files, read_campaign
from habitue.emails import EmailTemplate, Rendered
from habitue.errors import LedgerError, SettingError
from habitue.facts import FactsFile, write_facts
from habitue.house import House
from habitue.letters import Letter, compose
from habitue.lots import SAMPLE
from habitue.salutations import name, salutation
from habitue.settings import INCLUDE, Language, Strict, Words, read_yaml, validate
from habitue.shop import Shop
from habitue.specimens import ADDRESS, uses
from habitue.tables import Channel
from habitue.tables import customer as customers
from habitue.texts import load_text, long_date, typography

SAMPLES = INCLUDE / "templates" / "samples.yaml"
CODE = "ACDEF-GHJKM"


class Known(Strict):
    """What is known of someone's purchases, as copy may say it."""

    last_purchase: date | None = None
    favourite: str | None = None
    purchases: int = 0
    this_year: int = 0


class Person(Strict):
    """For whom a proof is made."""

    about: str = ""
    language: Language
    civility: Literal["M", "MME"] | None = None
    first_name: str | None = None
    last_name: str | None = None
    facts: Known

    def words(self, language: Language) -> dict[str, Any]:
        """`customer` as copy knows it."""
        return {
            "civility": self.civility,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "name": name(self.first_name, self.last_name),
            "language": language,
        }


class Samples(Strict):
    people: dict[str, Person] = Field(min_length=1)
    offer: dict[Language, Words]


@cache
def samples() -> Samples:
    """The samples of `include/templates/samples.yaml`; SettingError says what is wrong in it."""
    return validate(SAMPLES, Samples, read_yaml(SAMPLES))


def templates(channel: Channel, folder: Path | None = None) -> list[str]:
    """The names of a channel's texts, as a campaign calls them: `quarterly/lapsed`."""
    folder = folder or INCLUDE / "templates" / FOLDERS[channel]
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.??.j2")}
    names = {file.rsplit(".", 2)[0] for file in files}
    return sorted(names - {"layout", "guide"})


def find(wanted: str) -> tuple[Channel, str]:
    """The channel and the name of a text: `quarterly/lapsed`, or `letters/quarterly/lapsed` to say which is meant.

    SettingError with all there are where there is none of that name."""
    for channel in (Channel.EMAIL, Channel.LETTER, Channel.CALL):
        folder, names = FOLDERS[channel], templates(channel)
        for one in (wanted, wanted.removeprefix(f"{folder}/")):
            if one in names and (one == wanted or wanted.startswith(f"{folder}/")):
                return channel, one
    raise SettingError(f"no text is called {wanted}; there are:\n{every_text()}")


def every_text() -> str:
    """The names of all texts, one a line."""
    return "\n".join(f"  {FOLDERS[channel]}/{one}" for channel in Channel for one in templates(channel))


def every_sample() -> str:
    """The names of the samples and what each shows, one a line."""
    return "\n".join(f"  {one:<18} {person.about}" for one, person in samples().people.items())


def sample(wanted: str) -> Person:
    """A sample by name; SettingError with all there are."""
    people = samples().people
    if wanted not in people:
        raise SettingError(f"no sample is called {wanted}; there are:\n{every_sample()}")
    return people[wanted]


def customer(house: House, customer_id: str) -> Person:
    """A customer of the base, with what the snapshot knows of their purchases. LedgerError where there is none."""
    with house.engine.connect() as connection:
        row = connection.execute(select(customers).where(customers.c.customer_id == customer_id)).mappings().first()
    if row is None or row["gone"] is not None:
        raise LedgerError(f"customer {customer_id} is not in the base; take an id from the shop's data, or --sample")
    snapshot = house.lake.snapshot(row["snapshot_id"])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "facts.parquet"
        write_facts([customer_id], segments=snapshot.segments, orders=snapshot.orders, out=file)
        found = FactsFile(file).of([customer_id])[customer_id]
    facts = Known(
        last_purchase=found.last_day,
        favourite=found.favourites[0] if found.favourites else None,
        purchases=found.lifetime_days,
        this_year=found.purchase_days,
    )
    known = {field: row[field] for field in ("language", "civility", "first_name", "last_name")}
    return Person(**known, facts=facts)


def offers() -> dict[tuple[Channel, str], Offer]:
    """The longest offer that a campaign makes with each text."""
    made: dict[tuple[Channel, str], list[Offer]] = {}
    for file in campaign_files():
        try:
            campaign = read_campaign(file)
        except SettingError:  # `habitue check` says what is wrong with it
            continue
        for one in filter(None, (campaign, campaign.follow_up())):
            for use in uses(one):
                made.setdefault((use.way.channel, use.way.template), []).extend(use.offers)
    return {text: max(some, key=lambda one: max(map(len, one.text.values()))) for text, some in made.items()}


@dataclass(frozen=True, slots=True)
class Proof:
    """Who is written to, in which language, what they are offered (the samples' own where no campaign uses the text),
    and when."""

    person: Person
    language: Language
    offer: Offer | None
    on: date
    shop: Shop

    def email(self, template: EmailTemplate) -> Rendered:
        return template.render(self.email_words())

    def email_words(self) -> dict[str, Any]:
        """What `EmailTemplate.render` wants to know."""
        person = self.person
        hello = salutation(person.civility, person.first_name, person.last_name, self.language, channel="email")
        return {
            **self._words(),
            "salutation": hello,
            "unsubscribe_url": f"{self.shop.sender.unsubscribe_url}sample",
            "preferences_url": f"{self.shop.sender.preferences_url}sample",
        }

    def call(self, script: CallScript) -> str:
        return script.render(self._words())

    def letter(self, template: str) -> Letter:
        """The letter to an invented address. SettingError for someone without a name."""
        words, person = self._words(), self.person
        if not words["customer"]["name"]:
            raise SettingError("a letter is for someone with a name: take another sample")
        last, until = person.facts.last_purchase, words["offer"]["valid_until"]
        return compose(
            load_text(Way(channel=Channel.LETTER, template=template).file(self.language)),
            message_id="sample",
            reference="A1B2C3D4E5",
            sequence=SAMPLE,
            address=(words["customer"]["name"].upper(), *ADDRESS[1:]),
            customer=words["customer"],
            facts={**words["facts"], "last_purchase": last and long_date(last, self.language)},
            offer={**words["offer"], "valid_until": long_date(until, self.language)},
            offer_url=words["offer"]["url"],
            shop=self.shop,
            on=self.on,
        )

    def _words(self) -> Mapping[str, Any]:
        offer = self.offer or Offer(text=samples().offer)
        said = offer.text.get(self.language) or samples().offer[self.language]
        return {
            "customer": self.person.words(self.language),
            "facts": self.person.facts.model_dump(),
            "offer": {
                "code": CODE,
                "text": typography(said, self.language),
                "valid_until": offer.valid_until(self.on),
                "url": f"{self.shop.website}/o/{CODE.replace('-', '')}",
            },
        }

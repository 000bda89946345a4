"""Offers that answer the reason for which a customer left: the rules of include/offers_by_reason.yaml, and the queue
that their campaigns read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from habitue.errors import SettingError
from habitue.kinds import Disposition, Reason
from habitue.settings import INCLUDE, Strict, Words, read_yaml, shown, validate
from habitue.shop import Shop
from habitue.tables import Channel, targeted_offer

FILE = INCLUDE / "offers_by_reason.yaml"

ANSWERED = frozenset(
    {Disposition.REACHED_COURTESY, Disposition.WILL_VISIT, Disposition.NOT_INTERESTED, Disposition.MOVED}
)
"""Talks after which an offer may follow: nothing was agreed yet, and nobody complained or asked for peace."""


class Answer(Strict):
    campaign: Words
    channel: Literal["letter", "email"]


class Rules(Strict):
    reasons: dict[Reason, Answer] = Field(description="what answers a reason; one that is left out is not answered")


def rules() -> Rules:
    """SettingError where the file says something that is not allowed."""
    return _read(FILE, FILE.stat().st_mtime_ns if FILE.exists() else 0)


@lru_cache(maxsize=2)
def _read(file: Path, written: int) -> Rules:
    """Once for each time that it was `written`."""
    return validate(file, Rules, read_yaml(file))


def check(shop: Shop) -> None:
    """SettingError, a line for each rule that names a campaign that is not there, does not ask the queue, or tries
    another way first."""
    found = [f"{shown(FILE)}: reasons.{reason}: {why}" for reason, why in _wrong(shop)]
    if found:
        raise SettingError("\n".join(found))


def _wrong(shop: Shop) -> Iterator[tuple[Reason, str]]:
    from habitue.campaigns import find_campaign

    for reason, answer in rules().reasons.items():
        try:
            campaign = find_campaign(answer.campaign, shop)
        except SettingError as error:
            yield reason, str(error).splitlines()[0]
            continue
        if campaign.audience.sql != "told_a_reason":
            yield reason, f"the campaign {answer.campaign} must ask for `audience: sql: told_a_reason`"
        first = {campaign.treatment(group).ways[0].channel.value for group in campaign.groups}
        if first != {answer.channel}:
            yield reason, f"{answer.campaign} tries {', '.join(sorted(first))} first: write that as channel"


def queue(
    connection: Connection,
    reason: Reason,
    *,
    customer_id: str,
    message_id: UUID,
    attempt_id: int,
    at: datetime,
) -> str | None:
    """Puts the customer down for the offer that answers the reason; the campaign's name, None where nothing does."""
    answer = rules().reasons.get(reason)
    if answer is None:
        return None
    row = {
        "customer_id": customer_id,
        "message_id": message_id,
        "attempt_id": attempt_id,
        "reason": reason,
        "campaign": answer.campaign,
        "channel": Channel(answer.channel),
        "queued_at": at,
    }
    connection.execute(insert(targeted_offer).values(row).on_conflict_do_nothing())
    return answer.campaign

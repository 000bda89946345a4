"""An offer that answers a reason: queued at the desk, made by its campaign like any other message, and once."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from call_town import PARIS, TEN, house, rung
from habitue import complaints, targeted_offers
from habitue.campaigns import Campaign, find_campaign
from habitue.costs import price_list
from habitue.errors import SettingError
from habitue.house import House
from habitue.kinds import Disposition, Reason
from habitue.plans import Base, Plan, plan
from habitue.tables import consent, message
from habitue.targeted_offers import Answer, Rules
from people import ON, SECRET, SPRING, event
from test_plans import left_out, written_to

__all__ = ["house"]


def offered(house: House, name: str, on: date) -> Plan:
    """The campaign's run of that day."""
    wanted = find_campaign(name, house.shop)
    at = datetime.combine(on, datetime.min.time(), PARIS) + timedelta(hours=9, minutes=30)
    base, price = Base(ON.isoformat(), Path("unused"), Path("unused")), price_list(wanted, house.shop, on)
    return plan(house.engine, wanted, on=on, at=at, shop=house.shop, base=base, secret=SECRET, price=price)


def test_the_rules_name_campaigns_that_answer_by_that_way_first(house: House) -> None:
    targeted_offers.check(house.shop)
    assert set(targeted_offers.rules().reasons) == {Reason.PRICE, Reason.COMPETITOR, Reason.ASSORTMENT, Reason.MOVED}


@pytest.mark.parametrize(
    ("campaign", "channel", "says"),
    [
        ("offer_price", "letter", "tries email first"),
        ("winback_calls", "letter", "told_a_reason"),
        ("nothing", "letter", "not known"),
    ],
)
def test_a_rule_that_does_not_fit_is_a_sentence(
    house: House, monkeypatch: pytest.MonkeyPatch, campaign: str, channel: str, says: str
) -> None:
    wrong = Rules(reasons={Reason.PRICE: Answer.model_validate({"campaign": campaign, "channel": channel})})
    monkeypatch.setattr(targeted_offers, "rules", lambda: wrong)
    with pytest.raises(SettingError, match=says):
        targeted_offers.check(house.shop)


def test_who_told_a_reason_gets_the_answer_the_day_after_and_only_once(house: House) -> None:
    with house.engine.begin() as connection:
        connection.execute(insert(consent), [event(who, "email", "granted", SPRING) for who in ("anna", "boris")])
    rung(house, Disposition.REACHED_COURTESY, reason=Reason.PRICE)
    rung(house, Disposition.NOT_INTERESTED, reason=Reason.ASSORTMENT)
    rung(house, Disposition.REACHED_COURTESY, reason=Reason.SERVICE)
    assert offered(house, "offer_price", ON).audience == 0  # what was told today is answered tomorrow
    friday = ON + timedelta(days=1)
    assert written_to(house.engine, offered(house, "offer_price", friday).run_id) == {"anna": "email"}
    assert written_to(house.engine, offered(house, "offer_choice", friday).run_id) == {"boris": "letter"}
    with house.engine.begin() as connection:
        connection.execute(update(message).where(message.c.channel != "call").values(state="accepted"))
    assert offered(house, "offer_price", friday + timedelta(days=1)).audience == 0
    # Told again within its pause: still no second one.
    later = TEN + timedelta(days=5)
    with house.engine.begin() as connection:
        told = select(message.c.message_id).where(message.c.customer_id == "anna", message.c.channel == "call")
        targeted_offers.queue(
            connection,
            Reason.COMPETITOR,
            customer_id="anna",
            message_id=connection.execute(told).scalar_one(),
            attempt_id=999,
            at=later,
        )
    again = offered(house, "offer_price", later.date() + timedelta(days=1))
    assert left_out(house.engine, again.run_id) == {"anna": "recently_contacted"}


def test_who_complained_since_gets_nothing_until_it_is_closed(house: House) -> None:
    rung(house, Disposition.REACHED_COURTESY, reason=Reason.ASSORTMENT)
    evening = TEN + timedelta(hours=8)
    with house.engine.begin() as connection:
        complaints.raise_complaint(connection, "anna", "Thé éventé", owner="olga", by="zoe", at=evening)
    found = offered(house, "offer_choice", ON + timedelta(days=1))
    assert left_out(house.engine, found.run_id) == {"anna": "complaint_open"}
    [one] = complaints.still_open(house.engine)
    complaints.settle(house.engine, one.complaint_id, answer="Sent anew", by="olga", at=evening + timedelta(days=2))
    again = offered(house, "offer_choice", ON + timedelta(days=3))
    assert written_to(house.engine, again.run_id) == {"anna": "letter"}


def test_who_said_no_since_gets_nothing(house: House) -> None:
    rung(house, Disposition.REACHED_COURTESY, reason=Reason.ASSORTMENT)
    with house.engine.begin() as connection:
        connection.execute(insert(consent), [event("anna", "letter", "withdrawn", TEN + timedelta(hours=1))])
    found = offered(house, "offer_choice", ON + timedelta(days=1))
    assert left_out(house.engine, found.run_id)["anna"] in ("objected", "no_consent")


def test_each_answer_is_a_campaign_that_rests_for_half_a_year(house: House) -> None:
    for answer in targeted_offers.rules().reasons.values():
        wanted: Campaign = find_campaign(answer.campaign, house.shop)
        assert wanted.rest_days >= 180
        assert wanted.holdout == 0

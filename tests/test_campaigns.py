"""Campaigns as files: what is wrong is said, with its file, its line and its key."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest
import yaml
from pydantic import ValidationError
from sqlalchemy import text

from habitue import audiences
from habitue.audiences import Audience, question_findings
from habitue.campaigns import (
    Campaign,
    Offer,
    Schedule,
    Window,
    campaign_files,
    campaign_schema,
    find_campaign,
    load_campaign,
)
from habitue.errors import SettingError
from habitue.limits import Margin
from habitue.offers import kept_share, too_dear
from habitue.settings import INCLUDE, merge
from habitue.shop import load_shop
from habitue.sources import load_source
from habitue.tables import Channel, Segment

SHOP = load_shop()
PARIS = ZoneInfo("Europe/Paris")

SPRING = """\
title:
  fr: Le printemps
  en: Spring
owner: marketing-ops
kind: image
schedule: {cron: "0 8 5 * *"}
arms: {a: 0.5, b: 0.5}
holdout: 0.1
treatments:
  lapsed:
    ways:
      - {channel: call, template: winback}
      - {channel: email, template: winback/lapsed}
    offer:
      text: {fr: "10 € offerts.", en: "€10 off."}
      amount: 10.00
      from_basket: 60.00
    arms:
      b:
        templates: {email: quarterly/lapsed}
        offer: {text: {fr: "Un thé offert.", en: "A free tea."}, gift_cost: 1.50}
"""
"""A campaign that uses much of what there is."""


def spring(folder: Path, *changes: tuple[str, str], more: str = "") -> Path:
    """The campaign with lines changed or added, as a file."""
    text = SPRING
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "spring.yaml").write_text(text + more)
    return folder / "spring.yaml"


def complaint(path: Path) -> str:
    with pytest.raises(SettingError) as error:
        load_campaign(path, SHOP)
    return str(error.value)


@pytest.mark.parametrize("path", campaign_files(), ids=lambda path: path.stem)
def test_the_campaigns_that_are_shipped_can_be_read(path: Path) -> None:
    campaign = load_campaign(path, SHOP)
    assert campaign.name == path.stem
    assert Campaign.model_validate(campaign.model_dump(mode="json")).sha256 == campaign.sha256


def test_what_a_run_has_frozen_is_the_campaign_that_was_planned(tmp_path: Path) -> None:
    """Money goes through as decimals, what was left to the shop stays left to it."""
    more = (
        "budget: 5000\nthen: {channel: letter, template: winback/lapsed, after_days: 14}\n"
        "costs: {letter: {piece: 0.305}, email: 0.0004}\napproval: {cost: 99.95}\ncaps: {any: {most: 2, days: 7}}\n"
        "audience: {segments: [lapsed], filters: {spend: {least: 100.5}, region: [FR-69, RE], score: {most: 30}}}\n"
    )
    campaign = load_campaign(spring(tmp_path, more=more), SHOP)
    again = Campaign.model_validate(json.loads(json.dumps(campaign.model_dump(mode="json"))))
    assert again == campaign
    assert again.sha256 == campaign.sha256
    assert campaign.model_dump(mode="json")["costs"] == {"letter": {"piece": "0.305000"}, "email": "0.000400"}
    assert (campaign.budget, campaign.offer(Segment.LAPSED).amount) == (500_000, 1_000)
    assert campaign.audience.filters.spend is not None
    assert campaign.audience.filters.spend.least == 10_050


def test_what_a_campaign_leaves_out_is_the_shops(tmp_path: Path) -> None:
    more = "costs: {letter: {piece: 0.30}}\napproval: {cost: 99.95}\ncaps: {any: {most: 2, days: 7}}\n"
    more += "capacity: {email: 9}\n"
    campaign = load_campaign(spring(tmp_path, more=more), SHOP)
    dear = load_shop(overrides={"costs": {"letter": {"sheet": 0.09}, "email": 0.002}, "approval": {"recipients": 10}})
    costs, approval, caps = (
        campaign.effective_costs(dear),
        campaign.effective_approval(dear),
        campaign.effective_caps(dear),
    )
    assert (costs.letter.piece, costs.letter.sheet, costs.email) == (300_000, 90_000, 2_000)
    assert (approval.cost, approval.recipients, approval.second_cost) == (9_995, 10, 6_000_000)
    assert (caps["any"].most, caps["any"].days, caps["letter"].most) == (2, 7, 2)
    assert campaign.effective_capacity(SHOP) == {Channel.CALL: 40, Channel.EMAIL: 9}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("holdout: 0.1", "holdoot: 0.1"),
            "line 8: holdoot: unknown key; did you mean holdout? allowed are title, owner,",
        ),
        (
            ("amount: 10.00", "amuont: 10.00"),
            "line 16: treatments.lapsed.offer.amuont: unknown key; did you mean amount?",
        ),
        (("holdout: 0.1", "holdout: 1.5"), "line 8: holdout: Input should be less than 1"),
        (("holdout: 0.1", "holdout: yes"), "line 8: holdout: Input should be a valid number"),
        (("holdout: 0.1", "holdout: 0.1\nholdout: 0.2"), "line 9: not valid YAML (the key holdout stands twice)"),
        (("holdout: 0.1", "name: summer"), "line 8: name: can't be set in the file"),
        (("holdout: 0.1", "rest_days: true"), "line 8: rest_days: Input should be a valid integer"),
        (("holdout: 0.1", "window: {days: 0}"), "line 8: window.days: Input should be greater than or equal to 1"),
        (
            ("holdout: 0.1", 'window: {hours: "20:00-08:00"}'),
            'line 8: window.hours: from-to on one day, such as "08:00',
        ),
        (("holdout: 0.1", "window: {hours: 8-20}"), "line 8: window.hours: from-to on one day"),
        (
            ("holdout: 0.1", "pause_days: {fax: 3}"),
            "line 8: pause_days.fax: Input should be 'letter', 'email' or 'call'",
        ),
        (("holdout: 0.1", "caps: {letter: {most: 1}}"), "line 8: caps.letter.days: is missing"),
        (("holdout: 0.1", "budget: 10.005"), "line 8: budget: at most 2 decimals"),
        (
            ("holdout: 0.1", "budget: -1"),
            "line 8: budget: an amount in the shop's currency, such as 12.50, not below 0",
        ),
        (("holdout: 0.1", "budget: much"), "line 8: budget: an amount in the shop's currency"),
        (
            ("holdout: 0.1", "costs: {letter: {postage: [[20, 1], [20, 2]]}}"),
            "line 8: costs.letter.postage: the weights must asc",
        ),
        (
            ("holdout: 0.1", "approval: {assignees: [zoe], second_assignees: [zoe]}"),
            "line 8: approval: the second approva",
        ),
        (("kind: image", "kind: both"), "line 5: kind: Input should be 'image' or 'product'"),
        (("  en: Spring\n", ""), "line 1: title.en: is missing; the shop writes in fr and en"),
        (("  en: Spring", "  de: Frühling"), "line 3: title.de: Input should be 'fr' or 'en'"),
        ((', en: "€10 off."', ""), "line 15: treatments.lapsed.offer.text.en: is missing"),
        ((', en: "A free tea."', ""), "line 21: treatments.lapsed.arms.b.offer.text.en: is missing"),
        (("owner: marketing-ops\n", ""), "line 1: owner: is missing"),
        (("0 8 5 * *", "daily"), "line 6: schedule.cron: five fields (minute hour day month weekday) or `manual`"),
        (("0 8 5 * *", "0 25 5 * *"), "line 6: schedule.cron: not a cron line"),
        (("0 8 5 * *", "0 8 30 2 *"), "line 6: schedule.cron: not a cron line"),
        (("0 8 5 * *", "R 8 * * *"), "line 6: schedule.cron: R and H draw a time at random"),
        (
            ('cron: "0 8 5 * *"', "cron: manual, timezone: Paris"),
            "line 6: schedule.timezone: a time zone by its IANA name",
        ),
        (("a: 0.5, b: 0.5", "a: 0.5, b: 0.4"), "line 7: arms: shares above 0 that sum to 1; these sum to 0.9"),
        (("a: 0.5, b: 0.5", "a: 0.5, c: 0.5"), "line 19: treatments.lapsed.arms.b: unknown arm; the arms are a, c"),
        (("arms: {a: 0.5, b: 0.5}\n", ""), "line 18: treatments.lapsed.arms.b: unknown arm; the campaign has no arms"),
        (
            ("{email: quarterly/lapsed}", "{letter: winback/lapsed}"),
            "line 20: treatments.lapsed.arms.b.templates.letter: ",
        ),
        (
            ("channel: call, template: winback}", "channel: fax, template: winback}"),
            "line 12: treatments.lapsed.ways.0.cha",
        ),
        (
            ("channel: call, template: winback}", "channel: call, template: ../x}"),
            "line 12: treatments.lapsed.ways.0.temp",
        ),
        (
            ("template: winback}", "template: nobody}"),
            "line 12: treatments.lapsed.ways.0.template: no such template: incl",
        ),
        (
            ("{email: quarterly/lapsed}", "{email: nobody}"),
            "line 20: treatments.lapsed.arms.b.templates.email: no such tem",
        ),
        (
            ("amount: 10.00", "amount: 10.00\n      percent: 5"),
            "line 14: treatments.lapsed.offer: percent or amount, not bo",
        ),
        (("      from_basket: 60.00\n", ""), "line 14: treatments.lapsed.offer: amount needs from_basket"),
        (("amount: 10.00", "amount: 0"), "line 16: treatments.lapsed.offer.amount: Input should be greater than 0"),
        (("  lapsed:", "  prospect:"), "line 10: treatments.prospect: a prospect never bought and belongs to no group"),
        (("  lapsed:", "  gone:"), "line 10: treatments.gone: Input should be 'regular_heavy'"),
    ],
)
def test_what_is_wrong_is_said_with_file_line_key_and_what_is_allowed(
    change: tuple[str, str], said: str, tmp_path: Path
) -> None:
    assert f"spring.yaml, {said}" in complaint(spring(tmp_path, change))


def test_everything_that_is_wrong_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    changes = (("template: winback}", "template: nobody}"), ("  en: Spring\n", ""), ("amount: 10.00", "amount: 40.00"))
    lines = complaint(spring(tmp_path, *changes, more="rest_days: 3\n")).splitlines()
    assert [line.split("spring.yaml, ")[1].split(": ")[:2] for line in lines] == [
        ["line 1", "title.en"],
        ["line 11", "treatments.lapsed.ways.0.template"],
        ["line 13", "treatments.lapsed.offer"],
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "audience: {segments: [lapsed, regular_heavy]}",
            "line 22: audience.segments.1: regular_heavy has no treatment",
        ),
        ("audience: {segments: [prospect]}", "line 22: audience.segments: a prospect never bought"),
        ("audience: {parameters: {n: 1}}", "line 22: audience: parameters are values for a question: say which by sql"),
        ("audience: {sql: nobody_asks}", "line 22: audience.sql: there is no include/sql/audience/nobody_asks.sql"),
        ("audience: {filters: {score: {least: 9, most: 3}}}", "line 22: audience.filters.score: least is above most"),
        ("audience: {filters: {score: {}}}", "line 22: audience.filters.score: say least, most or both"),
        (
            "audience: {filters: {tier: [best]}}",
            "line 22: audience.filters.tier.0: Input should be 'top_20', 'next_40' or",
        ),
        ("audience: {filters: {region: [Lyon]}}", "line 22: audience.filters.region.0: String should match pattern"),
        ("otherwise: *lapsed", "line 22: otherwise: say for whom: audience.segments or audience.sql"),
        (
            "then: {channel: letter, template: nobody, after_days: 3}",
            "line 22: then.template: no such template: include/",
        ),
        (
            "then: {channel: letter, template: winback/lapsed, after_days: 0}",
            "line 22: then.after_days: Input should be",
        ),
    ],
)
def test_whom_it_is_for_must_be_clear(more: str, said: str, tmp_path: Path) -> None:
    path = spring(tmp_path, ("  lapsed:", "  lapsed: &lapsed"), more=more)
    assert f"spring.yaml, {said}" in complaint(path)


def test_a_group_without_a_treatment_of_its_own_gets_the_other_one(tmp_path: Path) -> None:
    more = "audience: {segments: [lapsed, regular_light]}\notherwise: *lapsed\n"
    campaign = load_campaign(spring(tmp_path, ("  lapsed:", "  lapsed: &lapsed"), more=more), SHOP)
    assert campaign.groups == [Segment.LAPSED, Segment.REGULAR_LIGHT]
    assert campaign.treatment(Segment.REGULAR_LIGHT) == campaign.treatments[Segment.LAPSED]
    assert len(campaign.model_copy(update={"audience": Audience(sql="slow")}).groups) == 5


def test_an_arm_changes_what_it_says_and_nothing_else(tmp_path: Path) -> None:
    campaign = load_campaign(spring(tmp_path), SHOP)
    ways = [campaign.way(Segment.LAPSED, arm, Channel.EMAIL).template for arm in (None, "a", "b")]
    assert ways == ["winback/lapsed", "winback/lapsed", "quarterly/lapsed"]
    assert campaign.way(Segment.LAPSED, "b", Channel.CALL).template == "winback"
    assert [campaign.offer(Segment.LAPSED, arm).gift_cost for arm in (None, "a", "b")] == [None, None, 150]
    with pytest.raises(SettingError, match="lapsed has no way by letter"):
        campaign.way(Segment.LAPSED, None, Channel.LETTER)
    with pytest.raises(SettingError, match="regular_heavy has none and there is no `otherwise`"):
        campaign.treatment(Segment.REGULAR_HEAVY)


def test_the_hash_of_the_templates_is_over_every_text_that_may_be_used(tmp_path: Path) -> None:
    then = "then: {channel: letter, template: winback/lapsed, after_days: 14}\n"
    plain, with_then = (load_campaign(spring(tmp_path, more=more), SHOP) for more in ("", then))
    files = with_then.template_files(SHOP.languages)
    assert {
        "templates/calls/winback.fr.j2",
        "templates/emails/winback/lapsed.en.j2",
        "templates/emails/quarterly/lapsed.fr.j2",
        "templates/emails/layout.mjml",
        "templates/letters/winback/lapsed.fr.j2",
        "templates/letters/letter.typ",
    } <= files.keys()
    assert not [name for name in files if name.endswith(".svg")]
    assert "templates/letters/letter.typ" not in plain.template_files(SHOP.languages)
    assert plain.template_sha256(SHOP.languages) != with_then.template_sha256(SHOP.languages)


def test_the_hash_of_the_templates_is_over_the_partials_too() -> None:
    shared = {f"templates/emails/{name}" for name in ("layout.mjml", "header.mjml", "footer.txt.j2", "layout.fr.j2")}
    own = {"templates/emails/private_event/offer.mjml", "templates/emails/private_event/offer.txt.j2"}
    evening, quarter = (find_campaign(name, SHOP) for name in ("private_event", "quarterly_letter"))
    assert shared | own <= evening.template_files(SHOP.languages).keys()
    assert shared <= quarter.template_files(SHOP.languages).keys()
    assert not own & quarter.template_files(SHOP.languages).keys()


def test_those_who_were_not_reached_get_the_next_channel(tmp_path: Path) -> None:
    more = "rest_days: 60\nthen: {channel: letter, template: winback/lapsed, after_days: 14}\n"
    campaign = load_campaign(spring(tmp_path, ("0 8 5 * *", "30 9,18 5 * *"), more=more), SHOP)
    follow_up = campaign.follow_up()
    assert follow_up is not None
    assert (follow_up.name, follow_up.kind, follow_up.owner) == ("spring_then", "image", "marketing-ops")
    assert follow_up.schedule.cron == "30 9 * * *"
    assert (follow_up.audience.sql, follow_up.audience.parameters) == (
        "not_reached",
        {"campaign": "spring", "after_days": 14, "unanswered": False},
    )
    assert [way.template for way in follow_up.treatments[Segment.LAPSED].ways] == ["winback/lapsed"]
    assert follow_up.offer(Segment.LAPSED) == campaign.offer(Segment.LAPSED)
    assert (follow_up.holdout, follow_up.arms, follow_up.then, follow_up.rest_days) == (0, {}, None, 365)
    assert Campaign.model_validate(follow_up.model_dump(mode="json")) == follow_up
    assert follow_up.follow_up() is None
    assert Schedule(cron="manual").daily().cron == "0 8 * * *"
    assert Schedule(cron="*/15 * * * *").daily().cron == "0 0 * * *"


def test_no_file_may_take_a_follow_ups_name(tmp_path: Path) -> None:
    path = spring(tmp_path, more="then: {channel: letter, template: winback/lapsed, after_days: 14}\n")
    (tmp_path / "spring_then.yaml").write_text(SPRING)
    assert "then: its follow-up is called spring_then; rename the campaign spring_then.yaml" in complaint(path)


def test_a_campaign_that_is_not_there_is_told_which_there_are() -> None:
    assert find_campaign("quarterly_letter", SHOP).name == "quarterly_letter"
    with pytest.raises(SettingError, match="spring is not known; there are birthday, offer_choice, offer_delivery, "):
        find_campaign("spring", SHOP)
    with pytest.raises(SettingError, match="campaign quarterly_letter_then is not known"):
        find_campaign("quarterly_letter_then", SHOP)


# The margin, by hand: at a gross margin of 55 % the goods of a basket of 100 cost 45.
@pytest.mark.parametrize(
    ("offer", "kept"),
    [
        ({"percent": 10}, (90 - 45) / 90),
        ({"percent": 35}, (65 - 45) / 65),
        ({"percent": 36}, (64 - 45) / 64),
        ({"amount": 20, "from_basket": 60}, (40 - 27) / 40),
        ({"amount": 25, "from_basket": 60}, (35 - 27) / 35),
        ({"gift_cost": 1.50}, (40 - 18 - 1.5) / 40),
        ({"gift_cost": 12, "from_basket": 100}, (100 - 45 - 12) / 100),
        ({"percent": 10, "gift_cost": 4}, (36 - 18 - 4) / 36),
        ({"percent": 100}, -1),
        ({}, 0.55),
    ],
)
def test_what_an_offer_leaves_is_known(offer: dict[str, Any], kept: float) -> None:
    given, margin = Offer(text={"fr": "…", "en": "…"}, **offer), Margin(gross=0.55, floor=0.30, basket=40)
    assert float(kept_share(given, margin)) == pytest.approx(kept)
    assert (too_dear(given, margin) is None) == (kept >= 0.30)


def test_an_offer_that_leaves_just_the_floor_is_allowed() -> None:
    margin = Margin(gross=0.55, floor=0.25, basket=40)
    assert too_dear(Offer(text={"fr": "…"}, percent=40), margin) is None  # (60 - 45) / 60
    assert "leaves 24.87 % of what the customer pays, the floor is 25 %" in (
        too_dear(Offer(text={"fr": "…"}, percent=40.1), margin) or ""
    )


def test_an_offer_below_the_floor_is_an_error_where_it_stands(tmp_path: Path) -> None:
    said = complaint(spring(tmp_path, ("amount: 10.00", "amount: 25.00")))
    assert (
        "spring.yaml, line 14: treatments.lapsed.offer: leaves 22.85 % of what the customer pays, the floor is 30 %"
        in said
    )
    whole = load_shop().model_copy(update={"margin": None})
    assert load_campaign(tmp_path / "spring.yaml", whole).name == "spring"


def paris(*moment: int, fold: int = 0) -> datetime:
    return datetime(*moment, tzinfo=PARIS, fold=fold)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("cron", "after", "slot"),
    [
        ("0 8 1 1,4,7,10 *", paris(2026, 10, 1, 7, 59), "2026-10-01T08:00:00+02:00"),
        ("0 8 1 1,4,7,10 *", paris(2026, 10, 1, 8, 0), "2027-01-01T08:00:00+01:00"),
        ("0 8 * * *", paris(2026, 3, 28, 8, 0), "2026-03-29T08:00:00+02:00"),  # 23 hours later
        ("0 8 * * *", paris(2026, 10, 24, 8, 0), "2026-10-25T08:00:00+01:00"),  # 25 hours later
        ("30 2 * * *", paris(2026, 3, 28, 2, 30), "2026-03-29T03:30:00+02:00"),  # 02:30 is left out
        ("30 2 * * *", paris(2026, 3, 29, 3, 30), "2026-03-30T02:30:00+02:00"),
        ("30 2 * * *", paris(2026, 10, 24, 12, 0), "2026-10-25T02:30:00+02:00"),  # occurs twice, counts once
        ("30 2 * * *", paris(2026, 10, 25, 2, 30), "2026-10-26T02:30:00+01:00"),
        ("30 2 * * *", paris(2026, 10, 25, 2, 10, fold=1), "2026-10-26T02:30:00+01:00"),
        ("15 * * * *", paris(2026, 10, 25, 2, 50), "2026-10-25T02:15:00+01:00"),  # every hour is every hour
        ("15 * * * *", paris(2026, 3, 29, 1, 20), "2026-03-29T03:15:00+02:00"),
    ],
)
def test_the_next_slot_is_read_off_the_wall_clock(cron: str, after: datetime, slot: str) -> None:
    found = Schedule(cron=cron).next_after(after.astimezone(UTC), PARIS)
    assert found is not None
    assert found.isoformat() == slot


def test_the_next_slot_is_that_of_airflow(tmp_path: Path) -> None:
    from airflow.sdk import CronTriggerTimetable
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import TimeRestriction

    for cron in ("0 8 5 * *", "30 2 * * *", "0 8 * * mon-fri", "45 23 L * *"):
        timetable = coerce_to_core_timetable(CronTriggerTimetable(cron, timezone="Europe/Paris"))
        moment = datetime(2026, 3, 20, 6, 1, tzinfo=UTC)
        theirs = timetable.next_dagrun_info(
            last_automated_data_interval=None, restriction=TimeRestriction(earliest=moment, latest=None, catchup=True)
        )
        for _ in range(30):
            assert theirs is not None
            ours = Schedule(cron=cron).next_after(moment, PARIS)
            assert ours == theirs.run_after, cron
            moment = ours
            theirs = timetable.next_dagrun_info(
                last_automated_data_interval=theirs.data_interval,
                restriction=TimeRestriction(earliest=moment, latest=None, catchup=True),
            )


def test_a_manual_campaign_has_no_next_slot_and_a_zone_of_its_own_counts() -> None:
    moment = datetime(2026, 10, 1, tzinfo=UTC)
    assert Schedule(cron="manual").next_after(moment, PARIS) is None
    reunion = Schedule(cron="0 8 * * *", timezone="Indian/Reunion").next_after(moment, PARIS)
    assert reunion is not None
    assert reunion.isoformat() == "2026-10-01T08:00:00+04:00"


def test_a_window_ends_with_its_last_day_and_opens_in_the_morning() -> None:
    assert Window(days=1).ends(date(2026, 10, 1), PARIS) == paris(2026, 10, 2)
    assert Window().ends(date(2026, 10, 20), PARIS).isoformat() == "2026-10-27T00:00:00+01:00"
    daytime = Window(hours="08:00-20:00")
    assert Window().open_at(paris(2026, 10, 1, 3), PARIS) is None
    assert daytime.open_at(datetime(2026, 10, 1, 6, 0, tzinfo=UTC), PARIS) is None
    assert daytime.open_at(datetime(2026, 10, 1, 5, 59, tzinfo=UTC), PARIS) == paris(2026, 10, 1, 8)
    assert daytime.open_at(paris(2026, 10, 1, 19, 59), PARIS) is None
    assert daytime.open_at(paris(2026, 10, 1, 20), PARIS) == paris(2026, 10, 2, 8)
    assert daytime.open_at(paris(2026, 10, 24, 21), PARIS).isoformat() == "2026-10-25T08:00:00+01:00"  # type: ignore[union-attr]
    assert Window(hours="08:00-24:00").open_at(paris(2026, 10, 1, 23, 59), PARIS) is None
    with pytest.raises(ValidationError):
        Window(hours="08:00-25:00")


GOOD = """-- Who is slowing down?
select s.customer_id
from standing s
where s.recency_days > :factor * 90
    and s.first_day < cast(:on as date) - make_interval(days => :least)
"""


def asked(folder: Path, monkeypatch: pytest.MonkeyPatch, sql: str, **parameters: Any) -> list[str]:
    monkeypatch.setattr(audiences, "FOLDER", folder)
    (folder / "slow.sql").write_text(sql)
    found = question_findings(Audience(sql="slow", parameters=parameters))
    return [f"{Path(one.place).name if one.place else one.loc}: {one.message}" for one in found]


@pytest.mark.parametrize(
    "sql",
    [
        GOOD,
        "-- Who?\nwith late as (select * from standing where recency_days > :factor)\n"
        "select l.customer_id from late l where :least < any(array[1, 2]) union select customer_id from customer\n",
        "-- Who was sent an e-mail?\nselect distinct m.customer_id from message m join run r using (run_id)\n"
        "where r.on_date between cast(:on as date) - :least * interval '1 day' and :on and m.state in ('accepted')\n"
        "group by m.customer_id having count(*) > :factor limit 10",
        "-- Who?\nselect customer_id from standing s cross join lateral (select :factor as x) y\n"
        "where y.x > :least and exists (select 1 from consent c where c.customer_id = s.customer_id)",
    ],
)
def test_a_question_that_can_be_asked_is_taken(sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(tmp_path, monkeypatch, sql, factor=2.0, least=30) == []


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("-- Who?\nselect customer_id from standing\nwhere first_day < :on::date", "line 3: write cast(:on as …)"),
        ("select customer_id from standing", "slow.sql, line 1: the first line says the question"),
        (
            "-- Who?\nselect customer_id\nfrom standing s\nwhere s.age > 3",
            "slow.sql, line 4: no relation of this SELECT has a",
        ),
        (
            "-- Who?\nselect customer_id\nfrom standing\nwhere age > 3",
            "slow.sql, line 4: no relation of this SELECT has a",
        ),
        (
            "-- Who?\nselect customer_id\nfrom standing s, customer c",
            "line 2: no relation of this SELECT has a column cust",
        ),
        (
            "-- Who?\nselect customer_id\nfrom visits",
            "slow.sql, line 3: no relation visits; there are approval, audit, call_attempt, call_line, call_slot,",
        ),
        ("-- Who?\nselect customer_id\nfrom pg_catalog.run", "slow.sql, line 3: no relation pg_catalog.run; there are"),
        (
            "-- Who?\nselect segment from standing",
            "slow.sql, line 2: must return customer_id alone, and returns segment",
        ),
        (
            "-- Who?\nselect * from consent",
            "slow.sql, line 2: must return customer_id alone, and returns consent_id, cu",
        ),
        ("-- Who?\nselect customer_id from standing;", "slow.sql, line 2: one SELECT without a semicolon"),
        ("-- Who?\ndelete from customer", "slow.sql, line 1: must be one SELECT"),
        (
            "-- Who?\nselect customer_id\nfrom standing where (",
            "slow.sql, line 3: not SQL that PostgreSQL reads, near `(`",
        ),
        (
            "-- Who?\nselect customer_id from standing where segment = 'x",
            "slow.sql: not SQL that PostgreSQL reads: a quote",
        ),
        (
            "-- Who?\nwith gone as (delete from customer returning customer_id)\nselect customer_id from gone",
            "slow.sql, line 2: a question only reads",
        ),
        ("-- Who?\nselect customer_id into x from standing", "slow.sql, line 2: a question only reads"),
        ("-- Who?\nselect customer_id from standing for update", "slow.sql, line 2: a question only reads"),
        (
            "-- Who?\nselect customer_id\nfrom standing where r = :rank",
            "slow.sql, line 3: nobody gives :rank; say it under",
        ),
    ],
)
def test_a_question_that_cannot_be_asked_is_told_its_line(
    sql: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = asked(tmp_path, monkeypatch, sql)
    assert len(found) == 1, found
    assert said in found[0]


def test_parameters_are_found_as_the_statement_will_find_them() -> None:
    sql = "select :on, ':b', array[1:2], x::text, a[:n], \\:c, :on::date -- :d"
    assert {found[1] for found in audiences.PARAMETER.finditer(sql)} == text(sql).compile().params.keys()


def test_a_value_for_which_nobody_asks_is_an_error_of_the_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audiences, "FOLDER", tmp_path)
    (tmp_path / "slow.sql").write_text(GOOD)
    more = "audience:\n  sql: slow\n  parameters:\n    factor: 2.0\n    colour: blue\n"
    lines = complaint(spring(tmp_path, more=more)).splitlines()
    assert f"{tmp_path}/slow.sql, line 5: audience.sql: nobody gives :least" in lines[0]
    assert "spring.yaml, line 26: audience.parameters.colour: " in lines[1]
    assert "has no :colour; take it out" in lines[1]


def test_a_campaign_without_a_question_needs_no_sql_reader() -> None:
    code = (
        "import sys; from habitue.campaigns import *; from habitue.shop import load_shop; shop = load_shop()\n"
        "[load_campaign(path, shop) for path in campaign_files() if 'sql:' not in path.read_text()]\n"
        "print(sorted({'sqlglot', 'typst', 'mjml', 'pandas', 'duckdb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_shop_and_sources_say_file_line_and_key_too(tmp_path: Path) -> None:
    shop = (INCLUDE / "shop.yaml").read_text("utf-8")
    (tmp_path / "shop.yaml").write_text(shop.replace("  gross: 0.55", "  gros: 0.55"))
    line = shop[: shop.index("  gross: 0.55")].count("\n") + 1
    with pytest.raises(
        SettingError, match=rf"shop\.yaml, line {line}: margin\.gros: unknown key; did you mean gross\?"
    ):
        load_shop(tmp_path / "shop.yaml")
    source = (INCLUDE / "sources" / "online_retail.yaml").read_text("utf-8")
    (tmp_path / "till.yaml").write_text(source.replace("kind: csv", "kind: csv\nlookback_day: 3"))
    with pytest.raises(
        SettingError, match=r"till\.yaml, line \d+: lookback_day: unknown key; did you mean lookback_da"
    ):
        load_source(str(tmp_path / "till.yaml"))


def test_a_source_that_gives_the_shop_a_wrong_setting_is_told_so(tmp_path: Path) -> None:
    source = yaml.safe_load((INCLUDE / "sources" / "online_retail.yaml").read_text("utf-8"))
    changed = merge(source, {"shop": {"timezone": "London"}})
    (tmp_path / "till.yaml").write_text(yaml.safe_dump(changed))
    for dataset in source["datasets"].values():
        (tmp_path / dataset["sql"]).write_text("-- Who?\n")
    with pytest.raises(SettingError, match=r"till\.yaml, line \d+: shop\.timezone: a time zone by its IANA name"):
        load_source(str(tmp_path / "till.yaml")).settings()


def test_editors_are_given_the_schema_of_today() -> None:
    written = (INCLUDE / "campaigns" / "campaign.schema.json").read_text("utf-8")
    assert json.loads(written) == campaign_schema(), "run: habitue schema --out include/campaigns/campaign.schema.json"


@pytest.mark.parametrize("path", campaign_files(), ids=lambda path: path.stem)
def test_the_campaigns_that_are_shipped_fit_the_schema(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith("# yaml-language-server: $schema=campaign.schema.json\n")
    jsonschema.validate(yaml.safe_load(text), campaign_schema())


def test_the_schema_explains_every_key_and_refuses_others() -> None:
    schema = campaign_schema()
    checker = jsonschema.Draft202012Validator(schema)
    checker.check_schema(schema)
    for where in [schema, *schema["$defs"].values()]:
        if where.get("type") == "object":
            assert where["additionalProperties"] is False, where["title"]
            for key, below in where["properties"].items():
                assert below.get("description"), f"{where['title']}.{key}"
    good = yaml.safe_load(SPRING)
    assert checker.is_valid(good)
    assert not checker.is_valid({**good, "surprise": 1})
    assert not checker.is_valid({**good, "name": "spring"})
    assert not checker.is_valid({**good, "budget": "much"})


def test_a_campaigns_file_name_is_its_name(tmp_path: Path) -> None:
    (tmp_path / "Spring 2027.yaml").write_text(SPRING)
    assert "a campaign's file name is its name" in complaint(tmp_path / "Spring 2027.yaml")

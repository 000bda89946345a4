"""Campaigns as files: what is wrong is said, with its file and its key."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from habitue.campaigns import Campaign, campaign_files, load_campaign
from habitue.errors import SettingError
from habitue.shop import load_shop

SHOP = load_shop()


@pytest.mark.parametrize("path", campaign_files(), ids=lambda path: path.stem)
def test_the_campaigns_that_are_shipped_can_be_read(path: Path) -> None:
    campaign = load_campaign(path, SHOP)
    assert campaign.name == path.stem
    assert Campaign.model_validate(campaign.model_dump(mode="json")).sha256 == campaign.sha256


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"surprise": 1}, "surprise: unknown key; allowed are title, owner, kind"),
        ({"holdout": 1.5}, "holdout: Input should be less than 1"),
        ({"schedule": {"cron": "daily"}}, "five fields"),
        ({"kind": "both"}, "kind: Input should be 'image' or 'product'"),
        ({"title": {"fr": "Printemps"}}, "title.en: is missing"),
        ({"treatments": {}}, "treatments"),
    ],
)
def test_a_wrong_campaign_is_a_sentence_that_names_file_and_key(
    change: dict[str, object], said: str, tmp_path: Path
) -> None:
    good = yaml.safe_load((ROOT / "include" / "campaigns" / "quarterly_letter.yaml").read_text("utf-8"))
    (tmp_path / "spring.yaml").write_text(yaml.safe_dump({**good, **change}))
    with pytest.raises(SettingError, match=r"spring\.yaml") as error:
        load_campaign(tmp_path / "spring.yaml", SHOP)
    assert said in str(error.value)


def test_a_template_that_is_not_there_is_named(tmp_path: Path) -> None:
    good = yaml.safe_load((ROOT / "include" / "campaigns" / "winback_calls.yaml").read_text("utf-8"))
    good["treatments"]["lapsed"]["ways"][1]["template"] = "winback/nobody"
    (tmp_path / "spring.yaml").write_text(yaml.safe_dump(good))
    with pytest.raises(SettingError, match=r"templates/letters/winback/nobody\.fr\.j2"):
        load_campaign(tmp_path / "spring.yaml", SHOP)


def test_a_prospect_belongs_to_no_campaign(tmp_path: Path) -> None:
    good = yaml.safe_load((ROOT / "include" / "campaigns" / "quarterly_letter.yaml").read_text("utf-8"))
    good["treatments"]["prospect"] = good["treatments"]["lapsed"]
    (tmp_path / "spring.yaml").write_text(yaml.safe_dump(good))
    with pytest.raises(SettingError, match="a prospect never bought"):
        load_campaign(tmp_path / "spring.yaml", SHOP)

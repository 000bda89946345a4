"""`habitue check` finds all that is wrong before a run; `habitue schema` explains a campaign to an editor."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from conftest import ROOT
from habitue import audiences
from habitue.campaigns import Campaign, campaign_schema, load_campaign
from habitue.checking import explain_question, findings
from habitue.errors import SettingError
from habitue.settings import INCLUDE
from habitue.shop import load_shop

PLAIN = {"PATH": "/usr/bin:/bin", "COLUMNS": "200", "NO_COLOR": "1", "HOME": "/nonexistent"}


def habitue(*words: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "habitue"), *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=PLAIN | settings)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project's include folder, for Python to use."""
    shutil.copytree(ROOT / "include", tmp_path / "include", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_all_that_is_shipped_is_in_order(tmp_path: Path) -> None:
    done = habitue("check", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "✓ include/shop.yaml"
    assert {"✓ include/campaigns/quarterly_letter.yaml", "✓ include/sources/online_retail.yaml"} <= set(lines)
    assert "✓ include/templates" in lines
    assert not re.search("✗|!|warning", done.stdout)


def test_everything_wrong_in_every_file_is_said_at_once(project: Path) -> None:
    include = project / "include"
    calls = (include / "campaigns" / "winback_calls.yaml").read_text("utf-8")
    (include / "campaigns" / "winback_calls.yaml").write_text(calls.replace("holdout: 0.1", "holdout: 3"))
    quarter = include / "campaigns" / "quarterly_letter.yaml"
    quarter.write_text(quarter.read_text("utf-8").replace("  en: The quarterly letter\n", ""))
    source = (include / "sources" / "demo_shop.yaml").read_text("utf-8")
    (include / "sources" / "demo_shop.yaml").write_text(source + "colour: blue\n")
    mail = include / "templates" / "emails" / "quarterly" / "regular_light.fr.j2"
    mail.write_text(mail.read_text("utf-8").replace("{% block subject %}", "{% block subject %}{{ weather }}"))
    letter = include / "templates" / "letters" / "quarterly" / "regular_heavy.en.j2"
    letter.write_text(letter.read_text("utf-8").replace("{% block closing %}", "{% block ending %}"))
    done = habitue("check", cwd=project, PYTHONPATH=str(include))
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert (
        "✗ include/campaigns/winback_calls.yaml include/campaigns/winback_calls.yaml, line 10: holdout: Input" in said
    )
    assert "include/campaigns/quarterly_letter.yaml, line 4: title.en: is missing" in said
    assert "✗ include/sources/demo_shop.yaml" in said
    assert "colour: unknown key" in said
    assert "emails/quarterly/regular_light.fr.j2, line 1: unknown word weather; there are customer, facts" in said
    assert "letters/quarterly/regular_heavy.en.j2: no block 'closing'" in said
    assert "✓ include/sources/online_retail.yaml" in said
    assert "Traceback" not in done.stderr


def test_a_warning_is_shown_and_does_not_fail(project: Path) -> None:
    mail = project / "include" / "templates" / "emails" / "quarterly" / "lapsed.fr.j2"
    mail.write_text(mail.read_text("utf-8").replace("{% block closing %}", "{% block closing %}\nVenez! "))
    before = habitue("check", "include/campaigns/winback_calls.yaml", cwd=project, PYTHONPATH=str(project / "include"))
    assert before.stdout == "✓ include/campaigns/winback_calls.yaml\n"
    for which in ("include/campaigns/quarterly_letter.yaml", "include/templates/emails/quarterly/lapsed.fr.j2"):
        done = habitue("check", which, cwd=project, PYTHONPATH=str(project / "include"))
        assert done.returncode == 0
        said = " ".join(done.stdout.split())
        assert "! include/templates/emails/quarterly/lapsed.fr.j2" in said
        assert re.search(r"lapsed\.fr\.j2, line \d+: warning: French sets a space before ;", said)
        assert said.endswith("1 to look at")


def test_with_a_broken_shop_campaigns_are_still_read(project: Path) -> None:
    include = project / "include"
    (include / "shop.yaml").write_text((include / "shop.yaml").read_text("utf-8") + "surprise: 1\n")
    calls = include / "campaigns" / "winback_calls.yaml"
    calls.write_text(calls.read_text("utf-8").replace("kind: image", "kind: both"))
    done = habitue("check", cwd=project, PYTHONPATH=str(include))
    assert done.returncode == 1
    assert "surprise: unknown key" in done.stdout
    assert "kind: Input should be 'image' or 'product'" in done.stdout


def test_a_file_may_be_checked_alone_wherever_it_is(tmp_path: Path) -> None:
    good = (INCLUDE / "campaigns" / "winback_calls.yaml").read_text("utf-8")
    (tmp_path / "spring.yaml").write_text(good)
    assert habitue("check", "spring.yaml", cwd=tmp_path).stdout.strip() == f"✓ {tmp_path}/spring.yaml"
    (tmp_path / "spring.yaml").write_text(good.replace("owner:", "ovner:"))
    done = habitue("check", "spring.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "ovner: unknown key; did you mean owner?" in done.stdout
    assert "include/shop.yaml" not in done.stdout
    gone = habitue("check", "nowhere.yaml", cwd=tmp_path)
    assert gone.returncode == 1
    assert "nowhere.yaml: no such file" in gone.stdout


def asking(folder: Path, monkeypatch: pytest.MonkeyPatch, sql: str) -> tuple[Path, Campaign]:
    """A campaign with that question, and `least` for a value."""
    monkeypatch.setattr(audiences, "FOLDER", folder)
    (folder / "slow.sql").write_text(sql)
    good = (INCLUDE / "campaigns" / "quarterly_letter.yaml").read_text("utf-8")
    path = folder / "spring.yaml"
    path.write_text(good + "audience: {sql: slow, parameters: {least: 30}}\n")
    return path, load_campaign(path, load_shop())


def test_the_base_is_asked_whether_it_understands_the_question(
    base: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = (
        "-- Who has bought nothing lately?\nselect s.customer_id from standing s join customer c using (customer_id)\n"
        "where s.last_day < cast(:on as date) - make_interval(days => :least) and c.gone is null\n"
    )
    settings = {"HABITUE_DATABASE_URL": base.url.render_as_string(hide_password=False)}
    path, campaign = asking(tmp_path, monkeypatch, good)
    assert list(findings([path], settings, database=True)) == [(str(path), [])]
    explain_question(campaign, base)
    bad = good.replace("make_interval(days => :least)", "make_holidays(:least)")
    path, campaign = asking(tmp_path, monkeypatch, bad)
    [(_, [said])] = list(findings([path], settings, database=True))
    assert "slow.sql: PostgreSQL says: function make_holidays(" in said
    assert list(findings([path], settings, database=False)) == [(str(path), [])]
    with pytest.raises(SettingError, match="PostgreSQL says"):
        explain_question(campaign, base)


def test_a_follow_up_is_checked_with_its_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the question of whom nobody reached, it could not be planned."""
    monkeypatch.setattr(audiences, "FOLDER", tmp_path)
    good = (INCLUDE / "campaigns" / "quarterly_letter.yaml").read_text("utf-8")
    path = tmp_path / "spring.yaml"
    path.write_text(good + "then: {channel: letter, template: winback/lapsed, after_days: 14}\n")
    [(_, [said])] = list(findings([path], {}, database=False))
    assert "then: there is no" in said
    (tmp_path / "not_reached.sql").write_text(
        "-- Whom did nobody reach?\nselect customer_id from message join run using (run_id)\n"
        "where campaign = :campaign and not :unanswered\n"
        "and on_date < cast(:on as date) - make_interval(days => :after_days)\n"
    )
    assert list(findings([path], {}, database=False)) == [(str(path), [])]


def test_a_rule_that_names_a_campaign_without_a_file_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offers = tmp_path / "offers.yaml"
    offers.write_text(
        "reasons:\n  price: {campaign: gone, channel: email}\n  moved: {campaign: offer_price, channel: letter}\n"
    )
    monkeypatch.setattr("habitue.targeted_offers.FILE", offers)
    [(file, said)] = list(findings([offers], {}, database=False))
    assert file == str(offers)
    assert said[0].startswith(f"{offers}: reasons.price: campaign gone is not known; there are ")
    assert said[1].endswith("reasons.moved: offer_price tries email first: write that as channel")
    good = (INCLUDE / "campaigns" / "winback_calls.yaml").read_text("utf-8")
    (path := tmp_path / "summer.yaml").write_text(
        f"{good}audience: {{sql: not_reached, parameters: {{campaign: gone, after_days: 9, unanswered: true}}}}\n"
    )
    [(_, [said_of_it])] = list(findings([path], {}, database=False))
    assert f"{path}: audience.parameters.campaign: campaign gone is not known; there are " in said_of_it


def test_the_schema_is_printed_or_written(tmp_path: Path) -> None:
    printed = habitue("schema", cwd=tmp_path)
    assert json.loads(printed.stdout) == campaign_schema()
    assert habitue("schema", "--out", "campaign.json", cwd=tmp_path).returncode == 0
    assert (tmp_path / "campaign.json").read_text("utf-8") == printed.stdout

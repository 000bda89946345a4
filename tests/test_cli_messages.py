"""`habitue preview`: a text for one person, as files to look at."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import text

from habitue import proofs, screenshots
from habitue.emails import EmailTemplate
from habitue.errors import LedgerError, SettingError
from habitue.house import House
from habitue.proofs import Proof
from habitue.shop import load_shop
from habitue.tables import Channel
from test_runs import ON, house, night  # noqa: F401

SHOP = load_shop()
PLAIN = {"PATH": "/nowhere", "COLUMNS": "200", "NO_COLOR": "1", "HOME": "/nonexistent"}
CHROMIUM = screenshots.browser()


def habitue(*words: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "habitue"), *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=PLAIN | settings)


def test_a_mail_for_anna_is_written_with_what_inboxes_show_of_it(tmp_path: Path) -> None:
    done = habitue("preview", "quarterly/lapsed", "--lang", "en", "--out", "seen", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "seen" / "quarterly-lapsed.en.anna.html").read_text("utf-8")
    for part in (html, (tmp_path / "seen" / "quarterly-lapsed.en.anna.txt").read_text("utf-8")):
        assert "Dear Ms\xa0Lefèvre," in part
        assert "https://u.maison-tilleul.example/u/sample" in part
        assert "€10 off your next basket" in part
    lines = done.stdout.splitlines()
    assert lines[0] == "subject    Your seat by the window is still free (37 characters)"
    assert lines[1].startswith("preheader  A little news from the shop")
    assert lines[2] == f"→ seen/quarterly-lapsed.en.anna.html ({len(html.encode()):,} bytes)"
    assert lines[4] == f"no picture: none of {', '.join(screenshots.BROWSERS)} is on the path"
    assert len(lines) == 5


def test_without_a_name_or_with_a_wrong_one_it_says_which_there_are(tmp_path: Path) -> None:
    listed = habitue("preview", cwd=tmp_path)
    assert listed.returncode == 0
    assert {"emails/quarterly/lapsed", "letters/winback/lapsed", "calls/winback"} <= set(listed.stdout.split())
    assert "gaspard            a particle with an apostrophe" in listed.stdout
    wrong = habitue("preview", "quarterly/nothing", cwd=tmp_path)
    assert wrong.returncode == 1
    assert "no text is called quarterly/nothing; there are:" in wrong.stderr
    assert "emails/quarterly/lapsed" in wrong.stderr
    stranger = habitue("preview", "quarterly/lapsed", "--sample", "stranger", cwd=tmp_path)
    assert stranger.returncode == 1
    assert "no sample is called stranger" in stranger.stderr
    assert "gaspard" in stranger.stderr
    assert not (tmp_path / "var").exists()


def test_letters_and_call_scripts_have_proofs_too(tmp_path: Path) -> None:
    done = habitue("preview", "letters/winback/lapsed", "--sample", "gaspard", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    seen = tmp_path / "var" / "previews"
    assert (seen / "winback-lapsed.fr.gaspard.letter.pdf").read_bytes().startswith(b"%PDF-")
    assert (seen / "winback-lapsed.fr.gaspard.letter.png").read_bytes().startswith(b"\x89PNG")
    assert (seen / "winback-lapsed.fr.gaspard.letter.window.png").read_bytes().startswith(b"\x89PNG")
    assert "pages      1" in done.stdout
    assert habitue("preview", "calls/winback", "--sample", "noname", cwd=tmp_path).returncode == 0
    assert "Est-ce bien à vous" in (seen / "winback.fr.noname.call.txt").read_text("utf-8")
    nobody = habitue("preview", "letters/winback/lapsed", "--sample", "noname", cwd=tmp_path)
    assert nobody.returncode == 1
    assert "a letter is for someone with a name" in nobody.stderr


@pytest.mark.parametrize("name", sorted(proofs.samples().people))
@pytest.mark.parametrize("template", proofs.templates(Channel.EMAIL))
def test_every_mail_can_be_made_for_every_sample(template: str, name: str) -> None:
    for language in SHOP.languages:
        mail = Proof(proofs.sample(name), language, None, ON, SHOP).email(EmailTemplate.load(template, language, SHOP))
        assert "None" not in mail.text + mail.html
        assert " ," not in mail.text


def test_a_customer_of_the_base_is_taken_with_what_the_snapshot_knows(house: House, tmp_path: Path) -> None:  # noqa: F811
    with house.engine.begin() as connection:
        known = connection.execute(
            text(
                "select customer_id, language, last_name from customer join segment using (customer_id) "
                "where last_name is not null and lifetime_days > 1 and gone is null limit 1"
            )
        ).one()
        connection.execute(text("update customer set gone = 'erased' where customer_id <> :id"), {"id": known[0]})
        erased = connection.execute(text("select customer_id from customer where gone = 'erased' limit 1")).scalar_one()
    someone = proofs.customer(house, known.customer_id)
    assert someone.last_name == known.last_name
    assert someone.facts.purchases > 1
    assert someone.facts.favourite
    for nobody in (erased, "nobody"):
        with pytest.raises(LedgerError, match=f"customer {nobody} is not in the base"):
            proofs.customer(house, nobody)
    url = house.engine.url.render_as_string(hide_password=False)
    settings = {"HABITUE_DATABASE_URL": url, "HABITUE_OUT": str(house.out), "HABITUE_SECRET": "for tests only"}
    words = ["preview", "quarterly/lapsed", "--customer", known.customer_id, "--out", "seen"]
    done = habitue(*words, cwd=tmp_path, **settings)
    assert done.returncode == 0, done.stderr
    assert known.last_name not in done.stdout
    for file in (tmp_path / "seen").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "u/sample" in file.read_text("utf-8")


def test_the_samples_show_what_is_hard_about_people() -> None:
    people = proofs.samples().people.values()
    names = [f"{one.first_name or ''} {one.last_name or ''}" for one in people]
    assert any("d'" in name for name in names)
    assert any(name.strip() == "" for name in names)
    assert max(map(len, names)) > 40
    assert {one.language for one in people} == {"fr", "en"}
    assert any(one.facts.last_purchase is None and one.facts.favourite is None for one in people)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path (Debian: apt-get install chromium)")
def test_a_picture_shows_a_desk_and_a_phone_by_day_and_by_night(tmp_path: Path) -> None:
    mail = Proof(proofs.sample("anna"), "fr", None, ON, SHOP).email(EmailTemplate.load("winback/lapsed", "fr", SHOP))
    corners = []
    for dark in (False, True):
        png = tmp_path / f"{dark}.png"
        screenshots.screenshot(mail.html, png, chromium=CHROMIUM or "", dark=dark)
        with Image.open(png) as picture:
            assert picture.width == screenshots.DESK + screenshots.GAP + screenshots.PHONE
            assert 900 < picture.height < 3000
            corners.append([sum(picture.convert("RGB").getpixel((x, 5))) for x in (5, picture.width - 5)])
    (desk, phone), (desk_by_night, phone_by_night) = corners
    assert min(desk, phone) > 600
    assert max(desk_by_night, phone_by_night) < 150


def test_a_browser_that_makes_no_picture_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="/bin/false made no picture"):
        screenshots.screenshot("<p>x</p>", tmp_path / "x.png", chromium="/bin/false")
    with pytest.raises(SettingError, match="made no picture"):
        screenshots.screenshot("<p>x</p>", tmp_path / "x.png", chromium=str(tmp_path / "nowhere"))
    assert list(tmp_path.iterdir()) == []

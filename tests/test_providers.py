"""From the shop's settings to its sender: secrets come from outside, and what is wrong is said before anyone is
written to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from habitue.errors import SettingError
from habitue.house import House
from habitue.providers import Access, open_sender
from habitue.senders import Outbox
from habitue.sendgrid_api import SendGrid
from habitue.shop import Shop, load_shop
from habitue.smtp import Smtp
from loopback import certificate

SECRET = "zz-canary"


def shop(**sender: Any) -> Shop:
    return load_shop(overrides={"sender": sender})


def test_a_shop_that_names_nobody_writes_into_its_outbox(tmp_path: Path) -> None:
    assert open_sender(load_shop(), Access(), out=tmp_path) == Outbox(tmp_path / "emails")


def test_a_mail_server_is_reached_as_the_shop_says(tmp_path: Path) -> None:
    chosen = {
        "host": "mail.shop.example",
        "username": "shop",
        "connections": 3,
        "timeout": 20,
        "limits": {"gmail.com": {"at_once": 2, "a_second": 5}, "*": {"a_second": 14}},
    }
    sender = open_sender(shop(kind="smtp", smtp=chosen), Access(password=SECRET), out=tmp_path)
    assert isinstance(sender, Smtp)
    server = sender.server
    assert (server.host, server.port, server.security) == ("mail.shop.example", 587, "starttls")
    assert (server.username, server.password, server.name) == ("shop", SECRET, "maison-tilleul.example")
    assert server.tls is not None
    assert server.tls.check_hostname
    assert server.tls.verify_mode.name == "CERT_REQUIRED"
    assert sender.connections == 3
    assert sender.limits["gmail.com"].at_once == 2
    assert SECRET not in repr(sender)


def test_a_connection_from_elsewhere_says_where_and_who(tmp_path: Path) -> None:
    """Airflow keeps a host, a port, a login and a password; they go before shop.yaml."""
    access = Access(host="other.example", port=2525, username="other", password=SECRET)
    sender = open_sender(shop(kind="smtp", smtp={"host": "mail.shop.example"}), access, out=tmp_path)
    assert isinstance(sender, Smtp)
    assert (sender.server.host, sender.server.port, sender.server.username) == ("other.example", 2525, "other")
    assert SECRET not in repr(access)


def test_sendgrid_is_reached_as_the_shop_says(tmp_path: Path) -> None:
    chosen = {"base_url": "https://api.eu.sendgrid.com", "connections": 5, "sandbox": True}
    sender = open_sender(shop(kind="sendgrid", sendgrid=chosen), Access(password=SECRET), out=tmp_path)
    assert isinstance(sender, SendGrid)
    assert (sender.base_url, sender.connections, sender.sandbox) == ("https://api.eu.sendgrid.com", 5, True)
    assert sender.key == SECRET
    assert SECRET not in repr(sender)


@pytest.mark.parametrize(
    ("sender", "access", "said"),
    [
        ({"kind": "sendgrid"}, Access(), "HABITUE_SENDGRID_KEY is not set"),
        ({"kind": "smtp", "smtp": {"host": "a.example", "username": "shop"}}, Access(), "HABITUE_SMTP_PASSWORD"),
        (
            {"kind": "smtp", "smtp": {"host": "a.example", "security": "none"}},
            Access(username="shop", password=SECRET),
            "never sent in the clear",
        ),
        ({"kind": "smtp", "smtp": {"host": "a.example", "ca_file": "/nowhere.pem"}}, Access(), "ca_file"),
        (
            {
                "kind": "smtp",
                "smtp": {
                    "host": "a.example",
                    "dkim": {"selector": "s", "domain": "a.example", "key_file": "/nowhere.pem"},
                },
            },
            Access(),
            "dkim.key_file",
        ),
    ],
)
def test_what_is_missing_is_said_before_anyone_is_written_to(
    tmp_path: Path, sender: dict[str, Any], access: Access, said: str
) -> None:
    with pytest.raises(SettingError, match=said):
        open_sender(shop(**sender), access, out=tmp_path)


@pytest.mark.parametrize(
    "sender",
    [
        {"kind": "pigeon"},
        {"kind": "smtp"},
        {"kind": "smtp", "smtp": {"host": "a.example", "username": "shop", "security": "none"}},
        {"kind": "smtp", "smtp": {"host": "a.example", "password": SECRET}},
        {"kind": "smtp", "smtp": {"host": "a.example\r\nQUIT"}},
        {"kind": "smtp", "smtp": {"host": "a.example", "security": "maybe"}},
        {"kind": "smtp", "smtp": {"host": "a.example", "connections": 0}},
        {"kind": "smtp", "smtp": {"host": "a.example", "limits": {"gmail.com": {"at_once": 0}}}},
        {"kind": "sendgrid", "sendgrid": {"base_url": "http://api.sendgrid.com"}},
        {"kind": "sendgrid", "sendgrid": {"base_url": "https://api.sendgrid.com/v3/"}},
        {"kind": "sendgrid", "sendgrid": {"key": SECRET}},
        {"domain": "shop.example\r\nQUIT"},
    ],
)
def test_a_wrong_setting_is_a_sentence(sender: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=r"shop\.yaml, line \d+: sender") as said:
        shop(**sender)
    assert SECRET not in str(said.value)


@pytest.mark.parametrize(
    ("kind", "name"), [("smtp", "HABITUE_SMTP_PASSWORD"), ("sendgrid", "HABITUE_SENDGRID_KEY"), ("outbox", "")]
)
@pytest.mark.parametrize("in_a_file", [True, False])
def test_a_secret_stands_in_the_environment_or_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, in_a_file: bool
) -> None:
    monkeypatch.setattr(
        "habitue.sources.load_shop", lambda **_: shop(kind=kind, smtp={"host": "a.example", "username": "shop"})
    )
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    given = {f"{name}_FILE": str(tmp_path / "secret")} if in_a_file else {name: SECRET}
    given["HABITUE_ANOTHER_PASSWORD"] = "nobody's"
    house = House.of({"HABITUE_DATABASE_URL": "postgresql://nowhere/", "HABITUE_OUT": str(tmp_path), **given})
    assert house.access == Access(password=SECRET if name else None)
    open_sender(house.shop, house.access, out=house.out)
    assert SECRET not in repr(house)


def test_a_shop_may_trust_its_own_mail_server(tmp_path: Path) -> None:
    file, _ = certificate(tmp_path)
    sender = open_sender(shop(kind="smtp", smtp={"host": "a.example", "ca_file": str(file)}), Access(), out=tmp_path)
    assert isinstance(sender, Smtp)
    assert sender.server.tls is not None
    assert [found["subject"] for found in sender.server.tls.get_ca_certs()] == [((("commonName", "tests"),),)]

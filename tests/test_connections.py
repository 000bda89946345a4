"""A sender that an Airflow connection names: what is believed of it, and what is said where something is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from habitue import connections
from habitue.connections import Connection
from habitue.errors import SettingError
from habitue.house import House
from habitue.providers import Access, open_sender
from habitue.sendgrid_api import SendGrid
from habitue.shop import SenderSettings, Shop, load_shop
from habitue.smtp import Smtp

SECRET = "zz-canary/@:"


def shop(**sender: Any) -> Shop:
    return load_shop(overrides={"sender": sender})


@pytest.mark.parametrize(
    ("extra", "security", "port"),
    [
        ({}, "tls", 465),
        ({"disable_ssl": True}, "starttls", 587),
        ({"disable_ssl": True, "disable_tls": True}, "none", 25),
        ({"disable_ssl": "true", "disable_tls": "false"}, "starttls", 587),
        ({"disable_tls": True, "from_email": "x@shop.example", "timeout": 30}, "tls", 465),
    ],
)
@pytest.mark.parametrize("given", [None, 2525])
def test_a_mail_server_is_reached_as_airflows_own_provider_would(
    extra: dict[str, Any], security: str, port: int, given: int | None
) -> None:
    found = connections.access("smtp_default", "smtp", Connection("smtp", "mail.shop.example", given, extra=extra))
    assert (found.host, found.port, found.security) == ("mail.shop.example", given or port, security)
    assert (found.username, found.password, found.connection) == (None, None, "smtp_default")


@pytest.mark.parametrize("conn_type", ["sendgrid", "http", "generic"])
@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        (None, None, None),
        ("api.eu.sendgrid.com", None, "https://api.eu.sendgrid.com"),
        ("https://api.eu.sendgrid.com/", None, "https://api.eu.sendgrid.com"),
        ("http://127.0.0.1", 8025, "http://127.0.0.1:8025"),
    ],
)
def test_sendgrids_key_is_the_password_and_its_address_the_host(
    conn_type: str, host: str | None, port: int | None, url: str | None
) -> None:
    found = connections.access("sendgrid_default", "sendgrid", Connection(conn_type, host, port, password=SECRET))
    assert found == Access(password=SECRET, base_url=url, connection="sendgrid_default")


@pytest.mark.parametrize(
    ("kind", "found", "said"),
    [
        ("smtp", Connection("http", "a.example"), "its type is http"),
        ("sendgrid", Connection("smtp", password=SECRET), "its type is smtp"),
        ("smtp", Connection("smtp"), "no host"),
        ("smtp", Connection("smtp", "a.example", login="shop"), "no password"),
        ("smtp", Connection("smtp", "a.example", extra={"ssl_context": "none"}), "certificate"),
        ("smtp", Connection("smtp", "a.example", extra={"auth_type": "oauth2"}), "auth_type"),
        ("sendgrid", Connection("sendgrid"), "no password"),
        ("sendgrid", Connection("sendgrid", "http://api.sendgrid.com", password=SECRET), "https"),
        ("sendgrid", Connection("sendgrid", "api.sendgrid.com/v3", password=SECRET), "https"),
    ],
)
def test_a_connection_that_will_not_do_says_why(kind: str, found: Connection, said: str) -> None:
    with pytest.raises(SettingError, match=f"connection mine .*{said}") as error:
        connections.access("mine", kind, found)
    assert SECRET not in str(error.value) + repr(found)


@pytest.mark.parametrize(
    "written",
    [
        "smtp://shop:zz-canary%2F%40%3A@mail.shop.example:2525?disable_ssl=true",
        "smtp://shop:zz-canary%2F%40%3A@mail.shop.example:2525?__extra__=%7B%22disable_ssl%22%3A+true%7D",
        '{"conn_type": "smtp", "host": "mail.shop.example", "port": 2525, "login": "shop", '
        '"password": "zz-canary/@:", "extra": {"disable_ssl": true}}',
        '{"conn_type": "smtp", "host": "mail.shop.example", "port": "2525", "login": "shop", '
        '"password": "zz-canary/@:", "extra": "{\\"disable_ssl\\": true}"}',
    ],
)
def test_at_the_command_line_the_variable_is_read_as_airflow_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    from airflow.sdk import Connection as Theirs

    theirs = Theirs.from_json(written) if written.startswith("{") else Theirs.from_uri(written, "x")
    assert (theirs.host, theirs.port, theirs.login, theirs.password) == ("mail.shop.example", 2525, "shop", SECRET)
    monkeypatch.setattr("habitue.sources.load_shop", lambda **_: shop(connection="smtp_default", kind="smtp"))
    settings = {"HABITUE_DATABASE_URL": "postgresql://nowhere/", "AIRFLOW_CONN_SMTP_DEFAULT": written}
    house = House.of({**settings, "HABITUE_OUT": str(tmp_path)})
    sender = open_sender(house.shop, house.access, out=house.out)
    assert isinstance(sender, Smtp)
    assert (sender.server.host, sender.server.port, sender.server.security) == ("mail.shop.example", 2525, "starttls")
    assert (sender.server.username, sender.server.password) == ("shop", SECRET)
    assert sender.server.tls is not None
    assert SECRET not in repr(house)


@pytest.mark.parametrize("written", ["mail.shop.example", "{", '{"conn_type": "smtp", "extra": "zz-canary"}', "[]"])
def test_a_variable_that_is_no_connection_is_a_sentence_without_its_secret(written: str) -> None:
    with pytest.raises(SettingError, match="AIRFLOW_CONN_SMTP_DEFAULT is neither") as error:
        connections.read("smtp_default", written)
    assert "canary" not in str(error.value)


@pytest.mark.parametrize(("name", "kind"), [("smtp_default", "smtp"), ("sendgrid_default", "sendgrid")])
def test_a_connection_that_nobody_has_made_is_said_before_anyone_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    """But only there: who looks at runs needs no sender."""
    monkeypatch.setattr("habitue.sources.load_shop", lambda **_: shop(connection=name, kind=kind))
    house = House.of({"HABITUE_DATABASE_URL": "postgresql://nowhere/", "HABITUE_OUT": str(tmp_path)})
    with pytest.raises(SettingError, match=f"no connection {name}; .* set AIRFLOW_CONN_{name.upper()}"):
        open_sender(house.shop, house.access, out=tmp_path)


def test_the_shops_own_limits_and_signature_stay_beside_a_connection(tmp_path: Path) -> None:
    chosen = {"connection": "relay", "kind": "smtp", "smtp": {"connections": 3, "limits": {"*": {"a_second": 9}}}}
    sender = open_sender(shop(**chosen), Access(host="a.example", port=25, connection="relay"), out=tmp_path)
    assert isinstance(sender, Smtp)
    assert (sender.connections, sender.limits["*"].a_second, sender.server.host) == (3, 9, "a.example")
    chosen = {"connection": "eu", "kind": "sendgrid", "sendgrid": {"sandbox": True}}
    access = Access(password=SECRET, base_url="https://api.eu.sendgrid.com", connection="eu")
    other = open_sender(shop(**chosen), access, out=tmp_path)
    assert isinstance(other, SendGrid)
    assert (other.base_url, other.sandbox, other.key) == ("https://api.eu.sendgrid.com", True, SECRET)


@pytest.mark.parametrize(
    ("name", "kind"), [("smtp_default", "smtp"), ("sendgrid_eu", "sendgrid"), ("SMTP_relay", "smtp")]
)
def test_a_connection_alone_names_the_sender(name: str, kind: str) -> None:
    said = load_shop().sender.model_dump(exclude={"kind"}) | {"connection": name}
    assert SenderSettings.model_validate(said).kind == kind


@pytest.mark.parametrize(
    "sender", [{"connection": "mailjet"}, {"connection": "smtp_default", "kind": "outbox"}, {"connection": "a b"}]
)
def test_a_connection_without_a_kind_is_a_sentence(sender: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=r"shop\.yaml, line \d+: sender"):
        shop(**sender)

"""Airflow connections as plain values: where a sender is and what lets us in, named in shop.yaml (`sender.connection`).

    smtp      host, port, login, password; extra `disable_ssl` and `disable_tls`, as Airflow's smtp provider reads
              them: TLS from the first byte (port 465), STARTTLS with `disable_ssl` (587), neither with both
    sendgrid  password: the key; host: the base URL, where it is not the usual one. Also types http and generic

Airflow keeps connections in its own database or a secrets backend, which `dags/wiring.py` asks. Elsewhere the same
connection is known where its variable is set, AIRFLOW_CONN_SMTP_DEFAULT, as a URI or as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from habitue.errors import SettingError
from habitue.providers import Access
from habitue.shop import BASE_URL

TYPES = {"smtp": ("smtp", "email"), "sendgrid": ("sendgrid", "http", "https", "generic")}
"""What an Airflow connection of each kind of sender may call itself."""


@dataclass(frozen=True)
class Connection:
    """A connection by Airflow's own names."""

    conn_type: str
    host: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def variable(name: str) -> str:
    """The variable in which Airflow looks for a connection first."""
    return f"AIRFLOW_CONN_{name.upper()}"


def missing(name: str) -> SettingError:
    return SettingError(
        f"sender.connection in shop.yaml: there is no connection {name}; add it in Airflow (Admin, Connections), "
        f"or set {variable(name)} as a URI or as JSON"
    )


def read(name: str, value: str) -> Connection:
    """A connection as its variable holds it. SettingError that shows nothing of it where it can't be read."""
    try:
        return _from_json(json.loads(value)) if value.lstrip().startswith("{") else _from_uri(value)
    except (ValueError, TypeError, AttributeError):
        raise SettingError(f"{variable(name)} is neither a connection's URI nor its JSON") from None


def _from_json(known: Mapping[str, Any]) -> Connection:
    extra = known.get("extra") or {}
    port = known.get("port")
    return Connection(
        conn_type=known.get("conn_type", "generic"),
        host=known.get("host"),
        port=int(port) if port else None,
        login=known.get("login"),
        password=known.get("password"),
        extra=json.loads(extra) if isinstance(extra, str) else dict(extra),
    )


def _from_uri(uri: str) -> Connection:
    parts = urlsplit(uri)
    if not parts.scheme:
        raise ValueError
    extra: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
    if whole := extra.pop("__extra__", None):
        extra = json.loads(whole)
    return Connection(
        conn_type=parts.scheme.replace("-", "_"),
        host=unquote(parts.hostname) if parts.hostname else None,
        port=parts.port,
        login=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        extra=extra,
    )


def access(name: str, kind: str, found: Connection) -> Access:
    """How a sender of that kind is let in by this connection. SettingError where it is another's, lacks what is needed,
    or asks for what we don't do."""
    if found.conn_type not in TYPES[kind]:
        raise _wrong(name, f"its type is {found.conn_type}, and sender.kind {kind} needs {' or '.join(TYPES[kind])}")
    return _smtp(name, found) if kind == "smtp" else _sendgrid(name, found)


def _smtp(name: str, found: Connection) -> Access:
    if not found.host:
        raise _wrong(name, "it names no host")
    if found.login and not found.password:
        raise _wrong(name, "it has a login and no password")
    if found.extra.get("ssl_context") == "none":
        raise _wrong(name, "its ssl_context is none, and a mail server's certificate is always looked at")
    if found.extra.get("auth_type", "basic") != "basic":
        raise _wrong(name, "its auth_type is not basic: Habitué logs in by AUTH PLAIN or LOGIN")
    security: Literal["starttls", "tls", "none"] = "tls"
    if _said(found.extra, "disable_ssl"):
        security = "none" if _said(found.extra, "disable_tls") else "starttls"
    usual = {"tls": 465, "starttls": 587, "none": 25}
    return Access(
        password=found.password,
        username=found.login or None,
        host=found.host,
        port=found.port or usual[security],
        security=security,
        connection=name,
    )


def _sendgrid(name: str, found: Connection) -> Access:
    if not found.password:
        raise _wrong(name, "it has no password: SendGrid's key stands there")
    url = None
    if found.host:
        scheme = "https" if "://" not in found.host else found.host.split("://")[0]
        port = f":{found.port}" if found.port else ""
        url = f"{scheme}://{found.host.split('://')[-1].rstrip('/')}{port}"
        if not BASE_URL.fullmatch(url):
            raise _wrong(name, "its host is no https address, such as https://api.eu.sendgrid.com")
    return Access(password=found.password, base_url=url, connection=name)


def _said(extra: Mapping[str, Any], name: str) -> bool:
    """Yes or no, as JSON has it or as a URI spells it."""
    value = extra.get(name, False)
    return value.lower() not in ("", "0", "false", "no") if isinstance(value, str) else bool(value)


def _wrong(name: str, why: str) -> SettingError:
    return SettingError(f"connection {name} (sender.connection in shop.yaml): {why}; mend it in Airflow")

"""What a shop chooses: `include/shop.yaml`, read once, strictly, typed."""

from __future__ import annotations

from datetime import tzinfo
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from habitue.errors import SettingError

INCLUDE = Path(__file__).resolve().parents[1]
"""The folder with campaigns, sources, SQL and templates."""

Language = Literal["fr", "en"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Letterhead(Strict):
    accent: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")
    ink: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")
    logo: Path
    signature: Path
    signatory: str
    title: dict[Language, str]
    envelope: Literal["fr_dl_45", "fr_dl_35"] = "fr_dl_45"


class Limit(Strict):
    """How many mails to a domain may be under way at once, and how many may leave a second."""

    at_once: int | None = Field(None, ge=1)
    a_second: float | None = Field(None, gt=0)


class DkimSettings(Strict):
    """`selector._domainkey.domain` holds the public key; `key_file` the private one (RSA, PEM)."""

    selector: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
    domain: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
    key_file: Path


class SmtpSettings(Strict):
    """A mail server. Its password is HABITUE_SMTP_PASSWORD; `limits` are by the recipient's domain, `*` for all mails
    together; `timeout`: seconds for an answer, five times that after a whole mail."""

    host: str = Field(pattern=r"^[A-Za-z0-9._:-]+$")
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    ca_file: Path | None = None
    connections: int = Field(8, ge=1, le=200)
    timeout: float = Field(60, gt=0)
    limits: dict[str, Limit] = {}
    dkim: DkimSettings | None = None

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> SmtpSettings:
        if self.username and self.security == "none":
            raise ValueError("a user name needs security starttls or tls: its password is never sent in the clear")
        return self


class SendGridSettings(Strict):
    """SendGrid's web API. Its key is HABITUE_SENDGRID_KEY. `sandbox`: SendGrid checks each mail and sends none."""

    base_url: str = Field("https://api.sendgrid.com", pattern=r"^(https://[^/?#]+|http://127\.0\.0\.1(:\d+)?)$")
    connections: int = Field(16, ge=1, le=200)
    timeout: float = Field(60, gt=0)
    sandbox: bool = False


class SenderSettings(Strict):
    kind: Literal["outbox", "smtp", "sendgrid"] = "outbox"
    from_name: str
    from_address: str
    reply_to: str
    domain: str = Field(pattern=r"^[A-Za-z0-9.-]+$")
    unsubscribe_url: str = Field(pattern=r"^https://.+/$")
    smtp: SmtpSettings | None = None
    sendgrid: SendGridSettings = SendGridSettings()

    @model_validator(mode="after")
    def _a_mail_server_has_an_address(self) -> SenderSettings:
        if self.kind == "smtp" and self.smtp is None:
            raise ValueError("kind smtp needs the block smtp with at least host")
        return self


class SegmentSettings(Strict):
    """Thresholds of the five groups (facts: purchase days, `day > on − window_days`)."""

    window_days: int = Field(365, ge=1)
    lapsed_after_days: int = Field(365, ge=1)
    regular_purchase_days: int = Field(4, ge=1)
    heavy_percentile: float = Field(0.67, gt=0, lt=1)

    @model_validator(mode="after")
    def _active_customers_have_a_purchase_in_the_window(self) -> SegmentSettings:
        if self.lapsed_after_days > self.window_days:
            raise ValueError("lapsed_after_days must not exceed window_days: an active customer needs a purchase in it")
        return self


class Frequency(Strict):
    points: int = 3
    most: int = 12


class Scoring(Strict):
    """The scoring grid. `amount`: (from so many units of currency on, points); `recency_months`: (up to and
    including so many months, points), 0 beyond the last."""

    version: str = "1"
    amount: list[tuple[float, int]] = [(0, 0), (30, 3), (50, 6), (75, 9), (100, 12)]
    recency_months: list[tuple[int, int]] = [(3, 12), (6, 9), (12, 6), (24, 3)]
    frequency: Frequency = Frequency()

    @model_validator(mode="after")
    def _steps_ascend(self) -> Scoring:
        for name, steps in (("amount", self.amount), ("recency_months", self.recency_months)):
            bounds = [bound for bound, _ in steps]
            if bounds != sorted(set(bounds)):
                raise ValueError(f"scoring.{name}: the bounds must ascend")
        return self


class ValidationLimits(Strict):
    most_quarantined_share: float = Field(0.05, ge=0, le=1)
    most_row_change: float = Field(0.3, ge=0)
    most_median_amount_factor: float = Field(20, gt=1)
    most_lapsed_growth: float = Field(0.5, gt=0)
    minor_age: int = Field(18, ge=0)
    most_snapshot_age_days: int = Field(7, ge=0)


class CallDesk(Strict):
    capacity: int = Field(40, ge=0)
    consent_days: int = Field(365, ge=1)
    hours: str


class Shop(Strict):
    name: str
    legal: str
    language: Language
    languages: list[Language]
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    timezone: str
    country: str = Field(pattern=r"^[A-Z]{2}$")
    place: str
    return_address: str
    postal_address: list[str]
    phone: str
    email: str
    website: str
    privacy: str
    letterhead: Letterhead
    sender: SenderSettings
    segments: SegmentSettings = SegmentSettings()
    scoring: Scoring = Scoring()
    validation: ValidationLimits = ValidationLimits()
    calls: CallDesk

    @property
    def tz(self) -> tzinfo:
        return ZoneInfo(self.timezone)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file as a dict; SettingError names the file and the line where it is broken."""
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingError(f"{path}: no such file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise SettingError(f"{path}{where}: not valid YAML ({getattr(error, 'problem', error)})") from None
    if not isinstance(content, dict):
        raise SettingError(f"{path}: expected keys and values, found {type(content).__name__}")
    return content


def explain(path: Path, error: ValidationError) -> SettingError:
    """Pydantic's findings as sentences: file, key, what is allowed."""
    lines = [f"{path}: {'.'.join(map(str, found['loc'])) or 'file'}: {found['msg']}" for found in error.errors()]
    return SettingError("\n".join(lines))


def merge(settings: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Settings with overrides laid over them, key by key, at every depth."""
    merged = dict(settings)
    for key, value in overrides.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def load_shop(path: Path | None = None, overrides: dict[str, Any] | None = None) -> Shop:
    """The shop's settings. A source file may override some (`shop:` in include/sources/*.yaml)."""
    path = path or INCLUDE / "shop.yaml"
    settings = merge(read_yaml(path), overrides or {})
    try:
        return Shop.model_validate(settings)
    except ValidationError as error:
        raise explain(path, error) from None

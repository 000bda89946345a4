"""What a shop chooses: `include/shop.yaml`, read once, strictly, typed."""

from __future__ import annotations

from datetime import tzinfo
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from habitue.envelopes import Envelope, shipped
from habitue.limits import Approval, Breaker, Caps, Costs, GlobalHoldout, Insert, Margin
from habitue.settings import INCLUDE as INCLUDE
from habitue.settings import Finding, Findings, Timezone, merge, validate
from habitue.settings import Language as Language
from habitue.settings import Strict as Strict
from habitue.settings import read_yaml as read_yaml


class Letterhead(Strict):
    accent: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")
    ink: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")
    logo: Path
    signature: Path
    signatory: str
    title: dict[Language, str]
    font: str = "EB Garamond 12"
    fonts: Path | None = None
    envelope: str = "fr_dl_45"


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
    limits: dict[str, Limit] = Field(default_factory=dict)
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
    amount: list[tuple[float, int]] = Field([(0, 0), (30, 3), (50, 6), (75, 9), (100, 12)])
    recency_months: list[tuple[int, int]] = Field([(3, 12), (6, 9), (12, 6), (24, 3)])
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
    postcodes: Path | None = None


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
    timezone: Timezone
    country: str = Field(pattern=r"^[A-Z]{2}$")
    place: str
    return_address: str
    postal_address: list[str]
    phone: str
    email: str
    website: str
    privacy: str
    letterhead: Letterhead
    envelopes: dict[str, Envelope] = Field(default_factory=dict)
    sender: SenderSettings
    segments: SegmentSettings = SegmentSettings()
    scoring: Scoring = Scoring()
    validation: ValidationLimits = ValidationLimits()
    calls: CallDesk
    caps: Caps = Caps()
    holdout: GlobalHoldout = GlobalHoldout()
    margin: Margin | None = None
    costs: Costs = Costs()
    inserts: dict[str, Insert] = Field(default_factory=dict)
    approval: Approval = Approval()
    breaker: Breaker = Breaker()

    @model_validator(mode="after")
    def _the_envelope_is_known(self) -> Shop:
        known = shipped() | self.envelopes
        if self.letterhead.envelope not in known:
            raise Findings([Finding(("letterhead", "envelope"), f"no such envelope; there are {', '.join(known)}")])
        return self

    @property
    def envelope(self) -> Envelope:
        """The one that letters go out in."""
        return (shipped() | self.envelopes)[self.letterhead.envelope]

    @property
    def tz(self) -> tzinfo:
        return ZoneInfo(self.timezone)


def load_shop(
    path: Path | None = None, overrides: dict[str, Any] | None = None, *, overridden_in: Path | None = None
) -> Shop:
    """The shop's settings. A source file, `overridden_in`, may override some (`shop:` in include/sources/*.yaml)."""
    path = path or INCLUDE / "shop.yaml"
    content = merge(read_yaml(path), overrides or {})
    return validate(path, Shop, content, overrides=overrides, overridden_in=overridden_in)

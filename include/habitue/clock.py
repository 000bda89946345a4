"""The one clock of the house, for those who stand at its doors: the command line and the DAGs' wiring. All else is
given its time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo


def now(settings: Mapping[str, str], zone: tzinfo) -> datetime:
    """The moment, in UTC; at the same time of day on HABITUE_TODAY where a demonstration plays a day of the past."""
    real = datetime.now(UTC)
    if played := settings.get("HABITUE_TODAY"):
        return datetime.combine(date.fromisoformat(played), real.astimezone(zone).time(), zone).astimezone(UTC)
    return real

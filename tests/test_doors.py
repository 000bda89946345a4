"""Commands find the house that a demonstration left, without a word about a database."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from conftest import HOME
from habitue import doors
from habitue.errors import SettingError


def test_a_folder_that_a_demonstration_left_is_enough(exports: Path) -> None:
    left = HOME / "left"
    left.mkdir(mode=0o755)
    made = {"HABITUE_SOURCE": "demo_shop", "HABITUE_DATA": str(exports), "HABITUE_TODAY": "2026-10-01"}
    doors.leave_open(left, {**made, "HABITUE_OUT": str(left), "HABITUE_DATABASE_URL": "of that time"})
    assert "of that time" not in (left / doors.SITE).read_text()
    with doors.opened({"HABITUE_OUT": str(left)}) as (house, at):
        assert house.source.name == "demo_shop"
        assert at.astimezone(house.shop.tz).date().isoformat() == "2026-10-01"
        with house.engine.connect() as connection:
            assert connection.scalar(text("select current_database()")) == "habitue"


def test_without_a_database_and_a_demonstration_it_says_what_is_missing(tmp_path: Path) -> None:
    with (
        pytest.raises(SettingError, match="HABITUE_DATABASE_URL is not set"),
        doors.opened({"HABITUE_OUT": str(tmp_path)}),
    ):
        pass

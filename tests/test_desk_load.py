"""Many agents at once: no customer is given twice, no outcome is lost. How fast it is, bench/desk.py says."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from desk_load import desk_served, given_twice, worked
from desk_site import call_list

LINES = int(os.environ.get("DESK_LINES", "120"))
"""5000 for the whole of it; the ordinary suite is content with fewer."""
AGENTS = int(os.environ.get("DESK_AGENTS", "20"))


def test_no_customer_is_given_twice_and_no_outcome_is_lost(
    base: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("habitue.campaigns.Campaign.template_files", lambda self, languages: {"copy": "0"})
    call_list(base, LINES)
    with desk_served(base.url.render_as_string(hide_password=False), tmp_path) as address:
        browsers = worked(address, AGENTS, 2 * LINES // AGENTS)
    assert given_twice(browsers) == []
    assert sum(len(one.given) for one in browsers) == LINES
    told = {int(attempt): ending for one in browsers for attempt, ending in one.ended.items()}
    with base.connect() as connection:
        kept = dict(connection.execute(text("select attempt_id, disposition from call_attempt")).tuples().all())
        agents = connection.execute(text("select agent, count(*) from call_attempt group by agent")).tuples().all()
    assert kept == told
    assert Counter(dict(agents)) == Counter({one.name: len(one.given) for one in browsers if one.given})

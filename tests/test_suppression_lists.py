"""Lists of suppressions: the shop's, an industry's, another installation's; what is bad is shown."""

from __future__ import annotations

import csv
import io
import stat
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from habitue import suppressions
from habitue.errors import LedgerError, SettingError, SourceError
from habitue.suppression_lists import RULES, ListRead, read_list, write_list
from habitue.suppressions import MarkKey, Suppression
from habitue.tables import Channel, SuppressionReason, suppression
from people import ANNA, AT, BORIS, CLARA, DAVID, EMMA, FELIX, KEY
from test_cli_runs import Ops, ops
from test_plans import campaign, left_out, planned, town

__all__ = ["ops", "town"]

LATER = AT + timedelta(days=30)


def imported(engine: Engine, file: Path, content: str | bytes, **changes: Any) -> ListRead:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_from(engine, file, **changes)


def read_from(engine: Engine, file: Path, **changes: Any) -> ListRead:
    chosen = {
        "channel": Channel.EMAIL,
        "reason": None,
        "source": "import",
        "country": "FR",
        "key": KEY,
        "quarantine": file.with_name("bad.csv"),
        "at": AT,
        **changes,
    }
    return read_list(engine, file, **chosen)


def rows(engine: Engine) -> list[tuple[str, str, str]]:
    with engine.connect() as connection:
        found = select(suppression.c.channel, suppression.c.reason, suppression.c.source)
        return sorted((row.channel, row.reason, row.source) for row in connection.execute(found))


def bad(done: ListRead) -> list[dict[str, str]]:
    assert done.quarantine is not None
    with done.quarantine.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def stopped(engine: Engine, channel: str) -> set[str]:
    """Whom a run by this channel leaves out as suppressed."""
    done = planned(engine, campaign(channel, name=f"by_{channel}"))
    return {who for who, rule in left_out(engine, done.run_id).items() if rule == "suppressed"}


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        ("anna@example.fr\n  Boris@Example.FR \n\n", {}),
        ("\ufeffanna@example.fr\r\nboris@example.fr", {}),
        ("anna@example.fr\rboris@example.fr\r", {}),
        ("anna@example.fr\nboris@example.fr\n".encode("utf-16"), {}),
        ("E-mail\nanna@example.fr\nboris@example.fr\n", {}),
        ('"email";"ville"\n"anna@example.fr";"Lyon"\n"boris@example.fr";"Lyon; 3e"\n', {}),
        ("email,reason\nanna@example.fr,unsubscribed\nboris@example.fr,\n", {}),
        ("ville\tcourriel\tmotif\nLyon\tanna@example.fr\tUNSUBSCRIBED\nLyon\tboris@example.fr\tunsubscribed\n", {}),
        ("Ville;Courriel\nSaint-Étienne;anna@example.fr\nLyon;boris@example.fr\n".encode("cp1252"), {}),
    ],
)
def test_a_list_in_any_dialect_suppresses_the_same_people(
    town: Engine, tmp_path: Path, content: str | bytes, changes: dict[str, Any]
) -> None:
    done = imported(town, tmp_path / "list.csv", content, **changes)
    assert (done.rows, done.taken, done.quarantined, done.named, done.new) == (2, 2, 0, 2, 2)
    assert done.quarantine is None
    assert rows(town) == [("email", "unsubscribed", "import")] * 2
    assert stopped(town, "email") == {ANNA, BORIS}


def test_numbers_one_a_line_are_read_as_at_home(town: Engine, tmp_path: Path) -> None:
    done = imported(town, tmp_path / "list", "01 99 00 12 34\n+33199001235\n", channel=Channel.CALL)
    assert (done.new, rows(town)) == (2, [("call", "refused_calls", "import")] * 2)
    assert BORIS in stopped(town, "call")


@pytest.mark.parametrize(
    "content",
    [
        "Anna Exemple;12 rue des Lilas;69003\nFelix Exemple; 12, Rue des Lilas ;69003\n",
        "nom;rue;code postal\nAnna Exemple;12 rue des lilas;69003\nFELIX EXEMPLE;12 rue des Lilas;69003\n",
        "prénom,nom,rue,cp\nAnna,Exemple,12 rue des Lilas,69003\nFélix,Exemple,12 rue des Lilas,69003\n",
    ],
)
def test_an_industry_s_list_keeps_letters_away(town: Engine, tmp_path: Path, content: str) -> None:
    done = imported(town, tmp_path / "robinson.csv", content, channel=Channel.LETTER, source="robinson")
    assert (done.taken, done.new) == (2, 2)
    assert rows(town) == [("letter", "unsubscribed", "robinson")] * 2
    assert stopped(town, "letter") == {ANNA, FELIX}


def test_a_row_may_name_several_ways_or_one_of_them(town: Engine, tmp_path: Path) -> None:
    done = imported(
        town,
        tmp_path / "list.csv",
        "name;street;postcode;email;number;channel;reason\n"
        "Anna Exemple;12 rue des Lilas;69003;anna@example.fr;0199001234;;\n"
        "Emma Exemple;;;emma@example.fr;0199001235;call;refused_calls\n"
        ";;;david@example.fr;;email;spam_complaint\n",
    )
    assert (done.rows, done.taken, done.named, done.new) == (3, 3, 5, 5)
    assert rows(town) == [
        ("call", "refused_calls", "import"),
        ("call", "refused_calls", "import"),
        ("email", "spam_complaint", "import"),
        ("email", "unsubscribed", "import"),
        ("letter", "unsubscribed", "import"),
    ]
    assert stopped(town, "email") == {ANNA, DAVID}


def test_twice_the_same_list_is_once(town: Engine, tmp_path: Path) -> None:
    content = "anna@example.fr\nANNA@example.fr\nboris@example.fr\n"
    first = imported(town, tmp_path / "list", content)
    second = imported(town, tmp_path / "list", content)
    assert [(done.named, done.new) for done in (first, second)] == [(3, 2), (3, 0)]


def test_bad_rows_are_shown_with_the_rule_and_the_fix_and_the_good_ones_taken(town: Engine, tmp_path: Path) -> None:
    done = imported(
        town,
        tmp_path / "list.csv",
        "email;number;name;street;postcode;channel;reason\n"
        "anna@example.fr;;;;;;\n"
        "anna@;;;;;;\n"
        ";12;;;;;\n"
        ";;Anna;12 rue des Lilas;;;\n"
        ";;Anna;;;;\n"
        "boris@example.fr;;;;;pigeon;\n"
        "boris@example.fr;;;;;;angry\n"
        "boris@example.fr;;;;\n"
        '"boris\n@example.fr";;;;;;\n'
        "boris@example.fr;;;;;call;\n"
        "=cmd|'/C calc'!A0;;;;;;\n",
    )
    assert (done.rows, done.taken, done.quarantined, done.new) == (11, 1, 10, 1)
    assert [(row["line"], row["rule"]) for row in bad(done)] == [
        ("3", "bad_address"),
        ("4", "bad_number"),
        ("5", "bad_letter_box"),
        ("6", "nothing_given"),
        ("7", "unknown_channel"),
        ("8", "unknown_reason"),
        ("9", "wrong_columns"),
        ("11", "line_break"),
        ("12", "bad_number"),
        ("13", "bad_address"),
    ]
    assert {row["fix"] for row in bad(done)} <= set(RULES.values())
    assert bad(done)[-1]["email"].startswith("'=")
    assert stat.S_IMODE((tmp_path / "bad.csv").stat().st_mode) == 0o600
    mended = imported(town, tmp_path / "list.csv", "boris@example.fr\n")
    assert mended.quarantine is None
    assert not (tmp_path / "bad.csv").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("who;why\nanna@example.fr;x\n", "line 1: names no column"),
        ('email;x\nanna@example.fr;y\n"boris@example.fr;z\n', "from line 3 on"),
        ('email;x\nanna@example.fr;y\n"boris"@example.fr;z\n', "from line 3 on"),
        ("email;x\nanna@example.fr;y\n" + "z" * 200_000, "from line 3 on"),
        ("email;mail\nanna@example.fr;anna@example.fr\n", "several columns are email"),
        (
            "mark,channel,reason,recorded_at,key\n"
            + "0" * 64
            + ",email,unsubscribed,2026-01-01T00:00:00+00:00,other\n",
            "another HABITUE_SECRET",
        ),
        ('email;x\nanna@example.fr;"' + "z" * 20_000, "from line 2 on"),
    ],
)
def test_what_can_t_be_read_to_its_end_changes_nothing(town: Engine, tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(SourceError, match=said) as refused:
        imported(town, tmp_path / "list.csv", content)
    assert "nothing was imported" in str(refused.value)
    assert not {"anna", "boris"} & set(str(refused.value).lower().split())
    assert rows(town) == []
    assert [path.name for path in tmp_path.iterdir()] == ["list.csv"]


def test_a_file_that_is_not_there_and_a_source_of_two_words(town: Engine, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceError, match="can't be read"):
        read_from(town, tmp_path / "folder")
    with pytest.raises(SourceError, match="can't be read"):
        read_from(town, tmp_path / "nowhere")
    with pytest.raises(SettingError, match="one word"):
        imported(town, tmp_path / "list", "anna@example.fr", source="the shop")


def some(engine: Engine, key: MarkKey = KEY) -> None:
    box = suppressions.letter_box("Anna Exemple", "12 rue des Lilas", "69003")
    found = [
        Suppression(Channel.EMAIL, suppressions.email("clara@example.fr"), SuppressionReason.UNSUBSCRIBED, "person"),
        Suppression(Channel.CALL, suppressions.phone("+33199001234"), SuppressionReason.REFUSED_CALLS, "desk"),
        Suppression(Channel.LETTER, box, SuppressionReason.RETURNED_LETTER, "printer"),
    ]
    suppressions.add(engine, found, key=key, at=AT)


def emptied(engine: Engine) -> Engine:
    with engine.begin() as connection:
        connection.execute(text("truncate suppression"))
    return engine


def test_marks_go_out_and_come_in_again_elsewhere(town: Engine, tmp_path: Path) -> None:
    some(town)
    lifted = [suppressions.email("emma@example.fr")]
    suppressions.add(
        town, [Suppression(Channel.EMAIL, lifted[0], SuppressionReason.HARD_BOUNCE, "bounce")], key=KEY, at=AT
    )
    suppressions.lift(town, Channel.EMAIL, lifted, key=KEY, by="ops", at=AT)
    out = tmp_path / "marks.csv"
    assert write_list(town, out) == 3
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    written = out.read_text("utf-8")
    assert not any(word in written.lower() for word in ("clara", "emma", "@", "1990", "lilas"))
    assert [row["key"] for row in csv.DictReader(io.StringIO(written))] == [KEY.id] * 3
    before = suppressions.counts(town)
    done = imported(emptied(town), tmp_path / "again.csv", written, at=LATER)
    assert (done.rows, done.new, done.quarantined) == (3, 3, 0)
    assert suppressions.counts(town) == before
    with town.connect() as connection:
        assert set(connection.scalars(select(suppression.c.recorded_at))) == {AT}
    write_list(town, tmp_path / "second.csv")
    assert (tmp_path / "second.csv").read_text("utf-8") == written
    assert BORIS in stopped(town, "call")


def test_marks_of_another_installation_s_key_are_refused(town: Engine, tmp_path: Path) -> None:
    some(town, MarkKey(b"another"))
    write_list(town, tmp_path / "marks.csv")
    written = (tmp_path / "marks.csv").read_text("utf-8")
    with pytest.raises(SourceError, match="another HABITUE_SECRET"):
        imported(emptied(town), tmp_path / "again.csv", written)
    assert rows(town) == []
    some(town, MarkKey(b"another"))
    with pytest.raises(LedgerError, match="another HABITUE_SECRET"):
        imported(town, tmp_path / "list", "anna@example.fr\n")


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda line: line.replace(line[:2], "zz", 1), "bad_mark"),
        (lambda line: line[2:], "bad_mark"),
        (lambda line: line.replace(",email,", ",pigeon,"), "unknown_channel"),
        (lambda line: line.replace(",unsubscribed,", ",angry,"), "unknown_reason"),
        (lambda line: line.replace("2026-", "2096-"), "bad_moment"),
        (lambda line: line.replace("+00:00", ""), "bad_moment"),
        (lambda line: line.replace("2026-", "soon-"), "bad_moment"),
        (lambda line: line + ",more", "wrong_columns"),
    ],
)
def test_a_mark_that_was_spoilt_on_the_way_is_shown(
    town: Engine, tmp_path: Path, spoil: Callable[[str], str], rule: str
) -> None:
    some(town)
    write_list(town, tmp_path / "marks.csv")
    first, *marks = (tmp_path / "marks.csv").read_text("utf-8").splitlines()
    (clara,) = [line for line in marks if ",email," in line]
    content = "\n".join([first, spoil(clara), *(line for line in marks if line != clara)])
    done = imported(emptied(town), tmp_path / "again.csv", content)
    assert [row["rule"] for row in bad(done)] == [rule]
    assert (done.taken, done.new) == (2, 2)


def test_a_long_list_needs_no_more_memory_than_a_short_one(base: Engine, tmp_path: Path) -> None:
    def peak(count: int) -> int:
        content = "email;x\n" + "".join(f"someone{number}@example.fr;y\n" for number in range(count))
        (tmp_path / f"{count}.csv").write_text(content)
        del content
        tracemalloc.start()
        done = read_from(base, tmp_path / f"{count}.csv")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (done.rows, done.taken) == (count, count)
        return found

    peak(1_000)  # what is imported once and kept
    short, long = peak(11_000), peak(33_000)
    assert long < short + 500_000


def test_the_commands_read_and_write_lists_and_name_nobody(ops: Ops, town: Engine, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"email\n{ANNA}@example.fr\n{CLARA}@example.fr\n{EMMA}@\n")
    said = ops.says("suppress", "import", str(file), "--source", "robinson", "--reason", "spam_complaint")
    assert "3 rows = 2 taken + 1 in quarantine" in said
    assert "2 named = 2 suppressed + 0 suppressed or named before" in said
    assert "list.quarantine.csv" in said
    told = ops.says("suppress", "export", str(tmp_path / "marks.csv"))
    assert "2 suppressions" in told
    assert "2 named = 0 suppressed + 2 suppressed" in ops.says("suppress", "import", str(tmp_path / "marks.csv"))
    assert not any(word in said + told for word in (ANNA, CLARA, EMMA, "example"))
    assert rows(town) == [("email", "spam_complaint", "robinson")] * 2

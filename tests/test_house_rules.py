"""Rules over the whole house: the package knows no Airflow, the clock is passed in, every question is asked."""

from __future__ import annotations

import re
import subprocess
import sys

import yaml

from conftest import ROOT

PACKAGE = ROOT / "include" / "habitue"
MODULES = sorted(PACKAGE.rglob("*.py"))


def test_the_package_knows_no_airflow_and_imports_nothing_heavy() -> None:
    names = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in MODULES
        if "migrations" not in path.parts
    ]
    code = (
        f"import importlib, sys; [importlib.import_module(n) for n in {names}]; "
        "heavy = set('airflow pandas great_expectations duckdb typst sendgrid aiohttp dkim sqlglot mjml pyarrow faker "
        "xlsxwriter'.split()); "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nobody_reads_the_clock_but_the_one_at_the_door() -> None:
    clock = re.compile(r"\b(datetime\.(now|utcnow|today)|date\.today|time\.time)\(")
    assert [path.name for path in MODULES if clock.search(path.read_text("utf-8"))] == ["clock.py"]


def test_every_sql_file_says_which_question_it_answers_and_is_asked() -> None:
    code = "".join(path.read_text("utf-8") for path in MODULES)
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "include" / "sources").glob("*.yaml"))
    campaigns = [yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / "include" / "campaigns").glob("*.yaml")]
    audiences = {f"audience/{campaign.get('audience', {}).get('sql')}" for campaign in campaigns}
    figures = yaml.safe_load((ROOT / "include" / "figures.yaml").read_text("utf-8"))
    behind = {known["rows"] for known in figures.values()}
    for path in sorted((ROOT / "include" / "sql").rglob("*.sql")):
        text = path.read_text("utf-8")
        assert text.startswith("-- "), f"{path.name}: its first line says which question it answers"
        comments = "\n".join(re.findall(r"--.*", text))
        assert not re.search(r"(?<!:):[a-z]", comments), f"{path.name}: a comment holds what looks like a parameter"
        named = f"{path.parent.name}/{path.stem}"
        asked = path.name in sources or path.name in code or re.search(rf"""["']({named}|{path.stem})["']""", code)
        by_dataset = f"{path.stem.split('_')[0]}_{{" in code  # quarantined_{dataset}, write_{name}
        assert asked or by_dataset or named in audiences | behind, f"{named}: nobody asks this"


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "helpers", "common", "base", "manager", "misc"}
    assert not drawers & {path.stem for path in MODULES}
    assert [path.name for path in MODULES if path.stat().st_size > 24_000] == []

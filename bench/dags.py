"""What parsing the DAG files costs beyond Airflow itself: the scheduler pays it every few seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARSE = """
import sys, time
sys.path.insert(0, sys.argv[1])
import airflow.sdk
from airflow.dag_processing.dagbag import DagBag
before = time.process_time()
bag = DagBag(sys.argv[1])
print(time.process_time() - before, len(bag.dags), len(bag.import_errors))
"""


def parsed(folder: Path, home: str) -> tuple[float, int]:
    environment = {**os.environ, "AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(folder)], env=environment, capture_output=True, text=True, check=True
    )
    seconds, dags, broken = done.stdout.split()[-3:]
    assert broken == "0"
    return float(seconds), int(dags)


def main() -> None:
    """Median of five: our DAG files, and one empty DAG as the measure of Airflow's own share."""
    from rich.console import Console
    from rich.table import Table

    with tempfile.TemporaryDirectory() as home:
        empty = Path(home) / "dags"
        empty.mkdir()
        (empty / "empty.py").write_text("from airflow.sdk import dag\n\n@dag()\ndef empty(): ...\n\nempty()\n")
        theirs = sorted(parsed(empty, home)[0] for _ in range(5))[2]
        found = [parsed(ROOT / "dags", home) for _ in range(5)]
    ours = sorted(seconds for seconds, _ in found)[2]
    table = Table("DAGs", "CPU s", "an empty one", "beyond Airflow's own", title="Parsing the DAG files")
    table.add_row(str(found[0][1]), f"{ours:.2f}", f"{theirs:.2f}", f"{ours - theirs:.2f} s")
    Console().print(table)


if __name__ == "__main__":
    main()

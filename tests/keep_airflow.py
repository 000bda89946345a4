"""Airflow in a process group of its own, which ends with whoever started it, even where that one was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import psutil

PATIENCE = 40
"""Seconds that Airflow's parts have to end by themselves."""


def others() -> list[int]:
    """The group's processes but this one; a part that is started again and again is among them."""
    found = []
    for one in psutil.process_iter():
        try:
            if one.pid != os.getpid() and os.getpgid(one.pid) == os.getpgrp() and one.status() != "zombie":
                found.append(one.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def main() -> None:
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    starter = os.getppid()
    airflow = subprocess.Popen(["airflow", "standalone"])
    while not told and os.getppid() == starter and airflow.poll() is None:
        time.sleep(0.5)
    os.killpg(0, signal.SIGTERM)
    end = time.monotonic() + PATIENCE
    while others() and time.monotonic() < end:
        airflow.poll()
        time.sleep(0.5)
    for pid in others():
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()

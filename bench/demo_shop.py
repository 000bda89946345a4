"""Does a demonstration shop of any size come out in linear time and constant memory?

    python bench/demo_shop.py [--customers 200000]

Makes a shop with a quarter of the customers, then the whole, in Parquet, each in a process of its own, and prints
both and their ratios: time near 4, memory near 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ONE_SHOP = """
import json, resource, sys, time
from datetime import date
from pathlib import Path
from habitue.demo_shop import write_shop
out, given = Path(sys.argv[1]), {"seed": 1, "until": date(2026, 9, 30), "format": "parquet"}
write_shop(out, customers=10, **given)  # imports and Faker's lists cost the same for any shop
begun, cpu = time.perf_counter(), time.process_time()
counts = write_shop(out, customers=int(sys.argv[2]), **given)
print(json.dumps({"lines": counts["commandes"], "seconds": time.perf_counter() - begun,
                  "cpu": time.process_time() - cpu,
                  "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def measure(customers: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", ONE_SHOP, folder, str(customers)]
        answer = subprocess.run(command, capture_output=True, check=True, text=True)
        size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
    found: dict[str, float] = json.loads(answer.stdout)
    print(
        f"demo shop, {customers:>9,} customers, {found['lines']:>10,} lines: {found['seconds']:6.1f} s, "
        f"{found['cpu']:6.1f} s CPU, {found['lines'] / found['cpu']:>9,.0f} lines per CPU second, "
        f"peak {found['mb']:.0f} MB, {size:,.0f} MB written"
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--customers", type=int, default=200_000)
    customers = parser.parse_args().customers
    quarter, whole = measure(customers // 4), measure(customers)
    print(
        f"demo shop, 4 times the customers: {whole['cpu'] / quarter['cpu']:.2f} × the CPU time, "
        f"{whole['mb'] / quarter['mb']:.2f} × the memory"
    )


if __name__ == "__main__":
    main()

"""Runs every benchmark and prints one table."""

from __future__ import annotations

import compileall
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.burst import burst, slow_dns
from tests.bench.commands import commands
from tests.bench.figures import Figure
from tests.bench.idle import due_search, passes
from tests.bench.many import many
from tests.bench.memory import memory
from tests.bench.single import single

BENCHES: dict[str, Callable[[Path], list[Figure]]] = {
    "one certificate": single,
    "200 links due at once": burst,
    "500 links whose DNS takes 30 s": slow_dns,
    "a pass in which nothing is due": passes,
    "a search for due work": due_search,
    "memory and idle CPU": memory,
    "ten thousand links": many,
    "commands": commands,
}


def main() -> int:
    """Those whose names contain an argument, or all; exit code 1 when a bound is missed."""
    # As an installed certd is: no source is compiled in the middle of a measurement.
    compileall.compile_dir("certd", quiet=2)
    load = " ".join(f"{share:.1f}" for share in os.getloadavg())
    table = Table(title=f"certd bench ({os.cpu_count()} processors, load at the start {load})")
    for column in ("what", "figure", "value", "bound", "against others"):
        table.add_column(column)
    missed = 0
    for name, bench in BENCHES.items():
        if not all(word in name for word in sys.argv[1:]):
            continue
        print(f"bench: {name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="certd-bench-") as folder:
            Path(folder).chmod(0o755)
            for figure in bench(Path(folder)):
                missed += not figure.holds
                style = "" if figure.holds else "red"
                table.add_row(name, figure.name, figure.shown, figure.bound_shown, figure.against, style=style)
    Console(width=170).print(table)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

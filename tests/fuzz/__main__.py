"""``make fuzz SECONDS=600``: all targets in turn, and a table of what came of it."""

from __future__ import annotations

import sys

from tests.fuzz.runner import Fuzz
from tests.fuzz.targets import TARGETS

SLICE = 2.0


def main() -> int:
    """The number of faults."""
    seconds, seed = float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    running = [Fuzz(target, seed) for target in TARGETS]
    rounds = max(1, round(seconds / SLICE / len(running)))
    for _ in range(rounds):
        for fuzz in running:
            fuzz.for_seconds(min(SLICE, seconds / len(running)))
    for fuzz in running:
        fuzz.measure_growth()
    print(f"{'target':<22} {'executions':>10} {'slowest ms':>9} {'B kept':>8} {'crashes':>8}")
    for fuzz in running:
        print(fuzz.report.row)
    faults = [fault for fuzz in running for fault in fuzz.report.faults]
    print(f"{sum(fuzz.report.executions for fuzz in running)} executions, {len(faults)} faults", *faults, sep="\n")
    return len(faults)


if __name__ == "__main__":
    sys.exit(min(main(), 1))

"""Mutates seeds and counts: executions, the slowest input, growth of memory, exceptions that nobody documented."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

# A longer answer to one input holds up a worker.
SLOW_SECONDS = 0.2

# What is kept beyond the inputs of a quarter of the run, in bytes for each execution.
MOST_GROWTH = 64.0

NUMBERS = (b"0", b"-1", b"65536", b"4294967296", b"9" * 40, b"1e999", b"\xff\xff\xff\xff", b"\x00" * 8)


@dataclass(frozen=True, slots=True)
class Target:
    """One parser of what strangers send.

    Attributes:
        run: Parses one input and judges what came of it; raises AssertionError where that is wrong.
        expected: The exceptions that the parser documents.
        slow: Seconds of processor that one input may take.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: Sequence[bytes]
    expected: tuple[type[BaseException], ...] = ()
    slow: float = SLOW_SECONDS


@dataclass
class Report:
    """What came of one target.

    Attributes:
        crashes: Input and exception, the first of each kind.
        slowest: Seconds of processor; other work on the machine does not count.
    """

    name: str
    executions: int = 0
    slowest: float = 0.0
    slow: float = SLOW_SECONDS
    slow_input: bytes = b""
    growth: float = 0.0
    crashes: dict[str, bytes] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        """Everything that is wrong, in words."""
        found = [f"{self.name}: {words} for {data[:200]!r}" for words, data in self.crashes.items()]
        if self.slowest > self.slow:
            found.append(f"{self.name}: one input takes {self.slowest:.2f} s: {self.slow_input[:200]!r}")
        if self.growth > MOST_GROWTH:
            found.append(f"{self.name}: memory grows by {self.growth:.0f} bytes for each execution")
        return found

    @property
    def row(self) -> str:
        """Of the table."""
        slowest = f"{self.slowest * 1000:.1f}"
        return f"{self.name:<22} {self.executions:>10} {slowest:>10} {self.growth:>8.1f} {len(self.crashes):>8}"


def mutated(seed: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """A few changes: flipped bits, other bytes, pieces cut out, doubled, taken from another seed, numbers at limits."""
    data = bytearray(seed)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(8):
            case 0 if data:
                data[at % len(data)] ^= 1 << chance.randrange(8)
            case 1 if data:
                data[at % len(data)] = chance.randrange(256)
            case 2:
                del data[at : at + chance.choice((1, 2, 4, 16, 64))]
            case 3:
                piece = data[at : at + chance.choice((1, 4, 32))]
                data[at:at] = piece * chance.choice((1, 2, 50))
            case 4:
                other = chance.choice(others)
                start = chance.randrange(len(other) + 1)
                data[at:at] = other[start : start + 48]
            case 5:
                data[at:at] = chance.choice(NUMBERS)
            case 6:
                del data[at:]
            case _:
                data[at:at] = chance.choice(
                    (b'"', b"{", b"[", b"]", b"}", b"\n", b"\r\n", b"\x00", b"%", b"\xc3", b",", b":")
                )
    return bytes(data[:65536])


def place_of(error: BaseException) -> str:
    """The line that raised it."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return f"{step.tb_frame.f_code.co_filename.rpartition('/')[2]}:{step.tb_lineno}" if step is not None else "?"


class Fuzz:
    """One target, as often as time is given to it."""

    def __init__(self, target: Target, seed: int = 1) -> None:
        self.target = target
        self.report = Report(target.name, slow=target.slow)
        self._chance = random.Random(f"{target.name}:{seed}")
        # What found nothing wrong and came through the parser is mutated on.
        self._pool = list(target.seeds)

    def for_seconds(self, seconds: float) -> None:
        """Run on; the seeds themselves first."""
        end = time.monotonic() + seconds
        if not self.report.executions:
            for seed in self.target.seeds:
                self._once(seed)
            # What is imported and read at first is not an input's doing.
            self.report.slowest = 0.0
        while time.monotonic() < end:
            data = mutated(self._chance.choice(self._pool), self._chance, self.target.seeds)
            if self._once(data) and len(self._pool) < 200 and self._chance.random() < 0.01:
                self._pool.append(data)

    def measure_growth(self, executions: int = 2000) -> None:
        """Bytes that stay for each execution, after as many that may fill caches."""
        frozen = [mutated(self._chance.choice(self._pool), self._chance, self.target.seeds) for _ in range(executions)]
        for data in frozen:
            self._once(data)
        tracemalloc.start()
        try:
            for data in frozen:
                self._once(data)
            before = tracemalloc.get_traced_memory()[0]
            for data in frozen:
                self._once(data)
            after = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        self.report.growth = max(0.0, (after - before) / executions)

    def _first_of_each_place(self) -> None:
        places: dict[str, str] = {}
        for words in self.report.crashes:
            places.setdefault(words.partition(": ")[0], words)
        self.report.crashes = {words: self.report.crashes[words] for words in places.values()}

    def _once(self, data: bytes) -> bool:
        """Whether the parser took it."""
        began = time.thread_time()
        try:
            self.target.run(data)
        except self.target.expected:
            took = False
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.report.crashes.setdefault(f"{type(error).__name__} at {place_of(error)}: {str(error)[:120]}", data)
            self._first_of_each_place()
            took = False
        else:
            took = True
        self.report.executions += 1
        if (took_so_long := time.thread_time() - began) > self.report.slowest:
            self.report.slowest, self.report.slow_input = took_so_long, data
        return took

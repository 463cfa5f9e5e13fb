"""Showing it: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tests.demo.watching import Observation
from tests.lab.clicker import Click

LINE_SECONDS = 5.0


class Show(Protocol):
    """One way to show."""

    def say(self, words: str) -> None:
        """A line of its own."""
        ...

    def update(self, observation: Observation) -> None:
        """What is seen now."""
        ...

    def summary(self, observation: Observation, early: Click, *, is_alive: bool, folder: str) -> None:
        """The end."""
        ...

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class PlainShow:
    """A line every five seconds, and one for each certificate."""

    def __init__(self) -> None:
        self._last = 0.0
        self._generation = ""

    def say(self, words: str) -> None:
        print(f"demo: {words}", flush=True)

    def update(self, observation: Observation) -> None:
        is_new = observation.generation != self._generation
        if not is_new and time.monotonic() - self._last < LINE_SECONDS:
            return
        self._last, self._generation = time.monotonic(), observation.generation
        self.say(
            f"{observation.elapsed:5.0f} s  {observation.generation}  {observation.left:3.0f} s left  "
            f"{observation.renewals} renewals  "
            f"{observation.good} clicks good, {observation.bad} bad"
        )
        for line in observation.plan[:1]:
            self.say(f"         {line}")

    def summary(self, observation: Observation, early: Click, *, is_alive: bool, folder: str) -> None:
        for name, value in summary_of(observation, early, is_alive=is_alive, folder=folder):
            print(f"{name:<28} {value}")

    def __enter__(self) -> PlainShow:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class TerminalShow:
    """A live view."""

    def __init__(self) -> None:
        self._console = Console()
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)

    def say(self, words: str) -> None:
        self._console.print(f"[dim]demo:[/dim] {words}")

    def update(self, observation: Observation) -> None:
        facts = Table.grid(padding=(0, 2))
        facts.add_row("certificate served", Text(observation.generation, style="bold"))
        colour = "green" if observation.left > observation.life / 3 else "yellow"
        bar = ProgressBar(
            total=max(observation.life, 1), completed=max(observation.left, 0), width=40, complete_style=colour
        )
        facts.add_row(f"{observation.left:.0f} s left", bar)
        facts.add_row("renewals served", Text(str(observation.renewals), style="bold green"))
        facts.add_row(
            "clicks",
            Text(f"{observation.good} good, {observation.bad} bad", style="red" if observation.bad else "green"),
        )
        if observation.last_trouble:
            facts.add_row("last trouble", Text(observation.last_trouble, style="red"))
        self._live.update(
            Group(
                Panel(facts, title=f"https://link.example.test  {observation.elapsed:.0f} s", border_style="blue"),
                Panel(Text("\n".join(observation.plan)), title="certd plan", border_style="cyan"),
                Panel(Text("\n".join(observation.log), overflow="ellipsis", no_wrap=True), title="certd run"),
            )
        )

    def summary(self, observation: Observation, early: Click, *, is_alive: bool, folder: str) -> None:
        table = Table(title="make demo", show_header=False)
        for name, value in summary_of(observation, early, is_alive=is_alive, folder=folder):
            table.add_row(name, value)
        self._console.print(table)

    def __enter__(self) -> TerminalShow:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


def summary_of(observation: Observation, early: Click, *, is_alive: bool, folder: str) -> list[tuple[str, str]]:
    """The summary's rows."""
    return [
        ("time", f"{observation.elapsed:.0f} s"),
        ("life of a certificate", f"{observation.life:.0f} s"),
        ("certificates served", str(observation.served)),
        ("renewals served", str(observation.renewals)),
        ("clicks good", str(observation.good)),
        ("clicks failed", f"{observation.bad}{': ' + observation.last_trouble if observation.bad else ''}"),
        ("click over http, early", early.trouble or "forwarded"),
        ("certd", "ran to the end" if is_alive else "ENDED BY ITSELF"),
        ("logs", folder),
    ]

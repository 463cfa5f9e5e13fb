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

from tests.demo.watching import Sight
from tests.lab.clicker import Click

LINE_SECONDS = 5.0


class Show(Protocol):
    """One way to show."""

    def say(self, words: str) -> None:
        """A line of its own."""
        ...

    def update(self, sight: Sight) -> None:
        """What is seen now."""
        ...

    def summary(self, sight: Sight, early: Click, *, is_alive: bool, folder: str) -> None:
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

    def update(self, sight: Sight) -> None:
        is_new = sight.generation != self._generation
        if not is_new and time.monotonic() - self._last < LINE_SECONDS:
            return
        self._last, self._generation = time.monotonic(), sight.generation
        self.say(
            f"{sight.elapsed:5.0f} s  {sight.generation}  {sight.left:3.0f} s left  {sight.renewals} renewals  "
            f"{sight.good} clicks good, {sight.bad} bad"
        )
        for line in sight.plan[:1]:
            self.say(f"         {line}")

    def summary(self, sight: Sight, early: Click, *, is_alive: bool, folder: str) -> None:
        for name, value in summary_of(sight, early, is_alive=is_alive, folder=folder):
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

    def update(self, sight: Sight) -> None:
        facts = Table.grid(padding=(0, 2))
        facts.add_row("certificate served", Text(sight.generation, style="bold"))
        colour = "green" if sight.left > sight.life / 3 else "yellow"
        bar = ProgressBar(total=max(sight.life, 1), completed=max(sight.left, 0), width=40, complete_style=colour)
        facts.add_row(f"{sight.left:.0f} s left", bar)
        facts.add_row("renewals served", Text(str(sight.renewals), style="bold green"))
        facts.add_row("clicks", Text(f"{sight.good} good, {sight.bad} bad", style="red" if sight.bad else "green"))
        if sight.last_trouble:
            facts.add_row("last trouble", Text(sight.last_trouble, style="red"))
        self._live.update(
            Group(
                Panel(facts, title=f"https://link.example.test  {sight.elapsed:.0f} s", border_style="blue"),
                Panel(Text("\n".join(sight.plan)), title="certd plan", border_style="cyan"),
                Panel(Text("\n".join(sight.log), overflow="ellipsis", no_wrap=True), title="certd run"),
            )
        )

    def summary(self, sight: Sight, early: Click, *, is_alive: bool, folder: str) -> None:
        table = Table(title="make demo", show_header=False)
        for name, value in summary_of(sight, early, is_alive=is_alive, folder=folder):
            table.add_row(name, value)
        self._console.print(table)

    def __enter__(self) -> TerminalShow:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


def summary_of(sight: Sight, early: Click, *, is_alive: bool, folder: str) -> list[tuple[str, str]]:
    """The summary's rows."""
    return [
        ("time", f"{sight.elapsed:.0f} s"),
        ("life of a certificate", f"{sight.life:.0f} s"),
        ("certificates served", str(sight.served)),
        ("renewals served", str(sight.renewals)),
        ("clicks good", str(sight.good)),
        ("clicks failed", f"{sight.bad}{': ' + sight.last_trouble if sight.bad else ''}"),
        ("click over http, early", early.trouble or "forwarded"),
        ("certd", "ran to the end" if is_alive else "ENDED BY ITSELF"),
        ("logs", folder),
    ]

"""Steps on a terminal: a spinner with the time for what is under way, a line for what is done. Plain lines
elsewhere.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

import click
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.text import Text

from certd.cli.output import printable

# More links under way than this are counted instead of shown.
MOST_SHOWN = 8


class Progress(Protocol):
    """Shows how links get on. Everything is said once."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def step(self, link: str, words: str) -> None:
        """What a link is at."""
        ...

    def ended(self, link: str, words: str, *, fine: bool) -> None:
        """It is served, or it failed."""
        ...


def progress() -> Progress:
    """For whoever looks: a person at a terminal, or a file."""
    return OnTerminal() if sys.stderr.isatty() else Plain()


class Plain:
    """One line for each step, on standard error; the last word goes elsewhere."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def __enter__(self) -> Plain:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def step(self, link: str, words: str) -> None:
        """Once, not at each look."""
        if words and self._said.get(link) != words:
            self._said[link] = words
            click.echo(f"{link}: {printable(words)}", err=True)

    def ended(self, link: str, words: str, *, fine: bool) -> None:
        """The command's own output says it."""


class OnTerminal:
    """A live region on standard error: results stay above it, and it is gone at the end.

    Args:
        clock: Seconds of a clock that nobody sets.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._clock = clock
        self._steps: dict[str, tuple[str, float]] = {}
        self._began: dict[str, float] = {}
        self._spinner = Spinner("dots")
        self._live = Live(
            console=self._console,
            get_renderable=self._shown,
            refresh_per_second=10,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=True,
        )

    def __enter__(self) -> OnTerminal:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def step(self, link: str, words: str) -> None:
        """The step before it is done: it becomes a line with the time it took."""
        now = self._clock()
        before = self._steps.get(link)
        words = printable(words)
        if not words or (before is not None and before[0] == words):
            return
        self._began.setdefault(link, now)
        if before is not None:
            self._done(link, before, now, "dim")
        self._steps[link] = (words, now)

    def ended(self, link: str, words: str, *, fine: bool) -> None:
        """The spinner of this link goes; the last line has the whole time."""
        now = self._clock()
        if (before := self._steps.pop(link, None)) is not None:
            self._done(link, before, now, "dim")
        mark, style = ("✓", "bold green") if fine else ("✗", "bold red")
        took = now - self._began.get(link, now)
        self._console.print(f"[{style}]{mark}[/] {escape(link)}  {escape(printable(words))} [dim]({took:.1f} s)[/]")

    def _done(self, link: str, step: tuple[str, float], now: float, style: str) -> None:
        self._console.print(f"[{style}]  {escape(link)}  {escape(step[0])} ({now - step[1]:.1f} s)[/]")

    def _shown(self) -> Group:
        now = self._clock()
        lines: list[Spinner | Text] = []
        for link, (words, _) in list(self._steps.items())[:MOST_SHOWN]:
            text = Text(f"{link}  {words}  {now - self._began[link]:.0f} s", no_wrap=True, overflow="ellipsis")
            self._spinner.update(text=text)
            lines.append(Spinner("dots", text=text) if len(self._steps) > 1 else self._spinner)
        if len(self._steps) > MOST_SHOWN:
            lines.append(Text(f"  and {len(self._steps) - MOST_SHOWN} more"))
        return Group(*lines)

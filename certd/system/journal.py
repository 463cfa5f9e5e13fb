"""One line of log for each step: plain on a terminal, JSON for programs, ``<N>`` levels under journald."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from certd.system.journald import SOCKET, JournaldHandler

# sd-daemon(3): the level that journald reads from the start of a line.
SYSLOG_LEVELS = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}

LOGGER = "certd"

# ECMA-48 (SGR): what an operator should know is yellow, a fault of ours red.
DIM, CALM = "2", "1"
LOUD = {logging.DEBUG: DIM, logging.WARNING: "1;33", logging.ERROR: "1;31", logging.CRITICAL: "1;31"}


class LoggingJournal:
    """The journal over the standard library's logging. Values of fields are text; secrets never get here."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger(LOGGER)

    def say(self, message: str, **fields: str) -> None:
        """What happened."""
        self._logger.info(message, extra={"fields": _filled(fields)})

    def warn(self, message: str, **fields: str) -> None:
        """Something an operator should know."""
        self._logger.warning(message, extra={"fields": _filled(fields)})

    def crash(self, message: str, error: Exception, **fields: str) -> None:
        """A fault of certd itself, with its traceback (which shows no values)."""
        self._logger.error(message, exc_info=error, extra={"fields": _filled(fields)})


def _filled(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


class PlainFormatter(logging.Formatter):
    """``message  link=... reason=...``, with the time where no journal adds it."""

    def __init__(self, *, levels: bool, times: bool, colours: bool = False) -> None:
        super().__init__()
        self._levels = levels
        self._times = times
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """One line, and indented ones for a traceback. Line breaks from outside are folded and control characters
        replaced, so that nobody can forge a line or steer a terminal.
        """
        fields: Mapping[str, str] = getattr(record, "fields", {})
        message = self._coloured(_folded(record.getMessage()), LOUD.get(record.levelno, CALM))
        named = (self._coloured(f"{name}=", DIM) + _quoted(fields[name]) for name in fields)
        text = "  ".join([message, *named])
        if self._times:
            time = f"{datetime.fromtimestamp(record.created, tz=UTC):%H:%M:%S.%f}"[:-3]
            text = f"{self._coloured(time, DIM)}  {text}"
        lines = [text]
        if record.exc_info:
            lines += [f"    {_printable(line)}" for line in self.formatException(record.exc_info).splitlines()]
        level = f"<{SYSLOG_LEVELS.get(record.levelno, 6)}>" if self._levels else ""
        return "\n".join(level + line for line in lines)

    def _coloured(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colours else text


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Time in RFC 3339, level, message, and the fields."""
        entry: dict[str, str] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        entry |= getattr(record, "fields", {})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _folded(text: str) -> str:
    return _printable(" ".join(text.split()))


def _quoted(value: str) -> str:
    folded = _folded(value)
    return f'"{folded}"' if " " in folded or not folded else folded


def set_up(
    stream: TextIO, environment: Mapping[str, str], *, debug: bool = False, quiet: bool = False, journald: str = SOCKET
) -> None:
    """Send certd's log to ``stream``: in plain words to a terminal, as JSON elsewhere; where the stream is the
    journal's, to journald with its fields, or as lines with their level where that socket is not to be had.

    With ``quiet`` only warnings are said.

    The libraries stay at WARNING: at DEBUG ``acme`` prints whole signed requests.
    """
    handler: logging.Handler = logging.StreamHandler(stream)
    if _is_journal(stream, environment):
        handler.setFormatter(PlainFormatter(levels=True, times=False))
        native = JournaldHandler(handler, journald)
        native.setFormatter(PlainFormatter(levels=False, times=False))
        if native.connect():
            handler = native
    elif stream.isatty() or environment.get("CERTD_LOG") == "plain":
        handler.setFormatter(PlainFormatter(levels=False, times=True, colours=wants_colours(stream, environment)))
    else:
        handler.setFormatter(JsonFormatter())
    # What Python warns of has the form of all the rest; of roots in a system's own bundle nobody here can do anything.
    logging.captureWarnings(True)
    warnings.filterwarnings("ignore", message="Parsed a serial number")
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(LOGGER).setLevel(logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO)


def wants_colours(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """On a terminal that knows them, unless somebody said no (no-color.org)."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM", "dumb") != "dumb"


def _is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """By device and inode: a shell that a service started has the variable too, its terminal is no journal."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def set_up_default(*, debug: bool = False, quiet: bool = False) -> None:
    """To standard error, judged by this process's environment."""
    set_up(sys.stderr, os.environ, debug=debug, quiet=quiet)

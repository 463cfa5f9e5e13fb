"""On which line of a file a key path stands: made only for a file with a mistake, to say where it is.

Python's parser gives no places, and no kept library does: tomlkit keeps the text of a file for writing it again, and
tells the line of a syntax error only. So the file is cut into statements, and Python's parser is asked of each whether
it is complete and which keys it has: nothing of TOML's grammar is known here but that a statement begins on a line of
its own, and a table's name with a bracket.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Lines that can end a statement of several lines.
_CLOSES = re.compile(r"""[\]}]|\"{3}|'{3}""")
_PLACE = re.compile(r"\(at line (\d+), column \d+\)")
_QUOTED = re.compile(r"(\"|').*")

# A statement that takes more attempts than this to complete is passed over; lists of domains have files of their own.
MOST_ATTEMPTS = 2000

# certd's deepest key has five parts; a vendor's table may go deeper, but no value is meant to be this deep.
MOST_DEPTH = 32


def path_of(location: Sequence[int | str], prefix: str = "") -> str:
    """How a place is written: ``proxy.nginx.endpoints[0]``."""
    path = prefix
    for part in location:
        path += (
            f"[{part}]" if isinstance(part, int) else (f".{part}" if path and not path.endswith(": ") else str(part))
        )
    return path


def lines_of(text: str) -> dict[str, int]:
    """The line, from 1, of every table and value by its key path; what cannot be read is passed over."""
    found: dict[str, int] = {}
    table: tuple[int | str, ...] = ()
    counts: dict[tuple[int | str, ...], int] = {}
    for number, keys, is_header in _statements(text.split("\n")):
        if not is_header:
            for location in _locations(keys):
                found.setdefault(path_of((*table, *location)), number)
            continue
        table = ()
        node: Any = keys
        while isinstance(node, dict) and node and len(table) < MOST_DEPTH:
            ((key, node),) = node.items()
            table = (*table, key)
            if isinstance(node, list):
                counts[table] = counts.get(table, 0) + 1
            if table in counts:
                table = (*table, counts[table] - 1)
        found.setdefault(path_of(table), number)
    return found


def line_of(path: str, lines: Mapping[str, int]) -> tuple[str, int]:
    """The longest part of a key path that is in the file, with its line; ("", 0) where none is."""
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return path, lines.get(path, 0)


def line_of_error(error: ValueError, text: str) -> int:
    """The line that a parser's message names; the last one for the end of the document; 0 where it names none."""
    place = _PLACE.search(str(error))
    if place:
        return int(place[1])
    return text.rstrip("\n").count("\n") + 1 if "end of document" in str(error) else 0


def without_values(line: str) -> str:
    """A line of the file as it may stand in a log: values may be secrets that somebody wrote down."""
    name, equals, _ = line.partition("=")
    shown = f"{name}{equals} ..." if equals else _QUOTED.sub("...", line)
    return shown.strip()[:80]


def _statements(lines: Sequence[str]) -> Iterator[tuple[int, dict[str, Any], bool]]:
    start = 0
    while start < len(lines):
        line = lines[start].strip()
        end = start + 1
        if line and not line.startswith("#"):
            keys, end = _statement(lines, start)
            if keys:
                yield start + 1, keys, line.startswith("[")
        start = end


def _statement(lines: Sequence[str], start: int) -> tuple[dict[str, Any], int]:
    """The keys of the statement that begins here, and the line after it."""
    attempts = 0
    for end in range(start + 1, len(lines) + 1):
        if end > start + 1 and not _CLOSES.search(lines[end - 1]):
            continue
        attempts += 1
        try:
            return tomllib.loads("\n".join(lines[start:end])), end
        except tomllib.TOMLDecodeError:
            if attempts > MOST_ATTEMPTS or lines[start].lstrip().startswith("["):
                break
        except (ValueError, RecursionError):
            # Its value is what is wrong.
            return _named(lines[start]), end
    return {}, start + 1


def _named(line: str) -> dict[str, Any]:
    try:
        return tomllib.loads(f"{line.partition('=')[0]}= 0")
    except ValueError:
        return {}


def _locations(value: Any) -> Iterator[tuple[int | str, ...]]:
    """Every place in a value, without recursion."""
    waiting: list[tuple[tuple[int | str, ...], Any]] = [((), value)]
    while waiting:
        location, value = waiting.pop()
        if location:
            yield location
        if len(location) >= MOST_DEPTH:
            continue
        if isinstance(value, dict):
            waiting += [((*location, key), each) for key, each in value.items()]
        elif isinstance(value, list):
            waiting += [((*location, index), each) for index, each in enumerate(value)]

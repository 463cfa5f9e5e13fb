"""Files and their shape: what is wrong is noted with its key path, taken out, and the rest is read on."""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from certd.config.domain_name import domain
from certd.config.lines import MOST_DEPTH, line_of, line_of_error, lines_of, path_of, without_values
from certd.config.settings import IssuerSettings
from certd.errors import Finding
from certd.system.regular_file import open_regular

if TYPE_CHECKING:
    from certd.targets.kind import RemoteRules

MOST_FILE = 64 * 1024 * 1024

# TOML's whole numbers have 64 bits (toml.io, "Integer"). Python's have no end, and raise when they become text.
MOST_NUMBER = 2**63 - 1

# Tables that links name, and that an included file may define.
DEFINING = frozenset({"issuer", "dns", "proxy", "esp"})

_LONG_NUMBER = re.compile(r"\d[\d_]{99,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the adapters know, so that the reader can judge words without importing them.

    Attributes:
        issuers: Built-in issuers by name, with everything but what the operator says.
        kinds: Kinds of proxies.
        check_kind: What is missing of one of them, in words; empty when nothing is.
        check_dns: Every mistake in a provider's table: kind, table, path.
        check_reload: What is wrong with a reload, in words; empty when nothing is.
        check_endpoint: The same of an endpoint.
        remote_rules: What the CDN of this kind demands; None for every other kind.
    """

    issuers: Mapping[str, IssuerSettings]
    kinds: Sequence[str]
    check_kind: Callable[[str], str]
    check_dns: Callable[[str, Mapping[str, object], str], list[Finding]]
    check_reload: Callable[[str | tuple[str, ...]], str]
    check_endpoint: Callable[[str], str]
    remote_rules: Callable[[str], RemoteRules | None]


@dataclass(slots=True)
class Reading:
    """One reading: what was found so far.

    Attributes:
        broken: Tables that are there, but too wrong to be read: what names them is not wrong, too. ``*`` stands for all
            of a kind.
        told: Key paths of what was wrong and taken out before the rest was judged.
        links: How sentences call a link, and its key path.
        files: Every file that was read, with how key paths in it begin.
        is_incomplete: A file could not be read, so a name that is defined nowhere may be defined there.
    """

    path: Path
    vocabulary: Choices
    environment: Mapping[str, str]
    findings: list[Finding] = field(default_factory=list)
    matched: dict[str, int] = field(default_factory=dict)
    linked: dict[str, int] = field(default_factory=dict)
    broken: set[tuple[str, str]] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    files: list[tuple[str, Path]] = field(default_factory=list)
    is_incomplete: bool = False
    _lacking: set[Finding] = field(default_factory=set)
    _of_defaults: set[Finding] = field(default_factory=set)

    def find(self, path: str, message: str, hint: str = "") -> None:
        """Something is wrong. A mistake in the defaults is told once, however many links have it."""
        finding = Finding(path=path, message=message, hint=hint)
        if path.startswith("defaults."):
            if finding in self._of_defaults:
                return
            self._of_defaults.add(finding)
        self.findings.append(finding)

    def lacks(self, path: str, message: str = "is missing", hint: str = "") -> None:
        """Something is not there, which is no mistake of its own if it was there, and wrong."""
        self.find(path, message, hint)
        self._lacking.add(Finding(path=path, message=message, hint=hint))

    def is_broken(self, table: str, name: str = "*") -> bool:
        """Whether a table, or any of its kind, is there and could not be read."""
        return (self.is_incomplete and table in DEFINING) or {(table, name), (table, "*")} & self.broken != set()

    def mistakes(self) -> tuple[Finding, ...]:
        """What was found, with its lines, and without what is missing only because a wrong value was taken out."""
        wrong = {finding.path for finding in self.findings if finding not in self._lacking} | self.told
        found = [each for each in self.findings if each not in self._lacking or not self._is_echo(each, wrong)]
        lines = [(prefix, path, lines_of(_text_of(path))) for prefix, path in self.files]
        return tuple(each if each.place else self._located(each, lines) for each in found)

    def _located(self, finding: Finding, files: Sequence[tuple[str, Path, Mapping[str, int]]]) -> Finding:
        """With file and line: of the file that it names, else of the one that has most of its key path."""
        path = self._key_path(finding.path)
        best, place = "", ""
        for prefix, file, lines in files:
            if prefix and not path.startswith(prefix) and any(one and path.startswith(one) for one, _, _ in files):
                continue
            key, line = line_of(path.removeprefix(prefix), lines)
            if len(key) > len(best):
                best, place = key, f"{file}:{line}: {finding.path.removeprefix(prefix)}"
        return replace(finding, place=place)

    def _key_path(self, path: str) -> str:
        """A link's number for its name."""
        label = path
        while label and label not in self.links:
            label = label[: max(label.rfind("."), 0)]
        return self.links[label] + path.removeprefix(label) if label else path

    def _is_echo(self, lack: Finding, wrong: set[str]) -> bool:
        path = self._key_path(lack.path)
        member = path.rpartition(".")[2]
        paths = (path, f"defaults.{member}") if path != lack.path else (path,)
        return any(each == one or each.startswith((f"{one}.", f"{one}[")) for one in paths for each in wrong)


Model = TypeVar("Model", bound=BaseModel)


def parse_file(reading: Reading, path: Path, model: type[Model], prefix: str) -> Model | None:
    """A file as tables; every mistake in it is noted. None where it cannot be read at all."""
    reading.files.append((prefix, path))
    text = ""
    try:
        with open_regular(path) as file:
            text = file.read(MOST_FILE).decode()
        raw = _tables(text)
    except OSError as error:
        hint = "name it with --config FILE or CERTD_CONFIG" if path == reading.path else ""
        reading.find(str(path), f"cannot be read: {error.strerror}", hint)
    except RecursionError:
        reading.find(str(path), "is nested too deeply")
    except ValueError as error:
        line = line_of_error(error, text)
        excerpt = without_values(text.split("\n")[line - 1]) if 0 < line <= text.count("\n") + 1 else ""
        place = f"{path}:{line}" if line else ""
        reading.findings.append(Finding(path=str(path), message=f"is not TOML: {error}", place=place, excerpt=excerpt))
    else:
        _take_out_unusable(reading, raw, prefix)
        return _validated(reading, raw, model, prefix)
    reading.is_incomplete = True
    return None


def _text_of(path: Path) -> str:
    """Once more, since a mistake was found; empty where it is away now."""
    try:
        with open_regular(path) as file:
            return file.read(MOST_FILE).decode(errors="replace")
    except OSError:
        return ""


def _tables(text: str) -> dict[str, Any]:
    """The file as Python's parser reads it. Raises ValueError for what is no TOML, RecursionError for deep nesting."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:
        # A whole number of more digits than Python converts, and the parser does not say which. Shorter ones in their
        # places are refused as too large, with their keys.
        return tomllib.loads(_LONG_NUMBER.sub(str(MOST_NUMBER + 1), text))


def _take_out_unusable(reading: Reading, raw: dict[str, Any], prefix: str) -> None:
    """What no setting may hold, whichever it is: values that Python, SQLite or the system raise for later."""
    places: list[tuple[int | str, ...]] = []
    for location, message in _unusable(raw):
        path = path_of(location, prefix)
        reading.told.add(path)
        reading.find(path, message)
        places.append(location)
    _without(raw, [(place, False) for place in places])


def _unusable(raw: dict[str, Any]) -> Iterator[tuple[tuple[int | str, ...], str]]:
    # Without recursion: a table of a thousand levels is a line of dots.
    open_ones: list[tuple[tuple[int | str, ...], Any]] = [((), raw)]
    while open_ones:
        location, value = open_ones.pop()
        if isinstance(value, dict | list) and len(location) > MOST_DEPTH:
            yield location[:3], "is nested too deeply"
        elif isinstance(value, dict):
            open_ones += [((*location, key), each) for key, each in value.items()]
        elif isinstance(value, list):
            open_ones += [((*location, index), each) for index, each in enumerate(value)]
        elif isinstance(value, int) and abs(value) > MOST_NUMBER:
            yield location, "is too large: a whole number of TOML has 64 bits"
        elif isinstance(value, str) and "\0" in value:
            yield location, "must not hold a zero byte"


def _validated(reading: Reading, raw: dict[str, Any], model: type[Model], prefix: str) -> Model | None:
    """What is wrong is noted and taken out, until the rest is well: so that one mistake does not hide another."""
    while True:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            wrong: list[dict[str, Any]] = [dict(one) for one in error.errors(include_url=False, include_context=False)]
        for one in wrong:
            one["loc"] = _existing(raw, one)
            finding = _finding(one, prefix, model)
            if finding.path not in reading.told:
                reading.told.add(finding.path)
                reading.findings.append(finding)
            _note_broken(reading, one)
        if not _without(raw, [(one["loc"], one["type"] == "missing") for one in wrong]):
            return None


def _existing(raw: dict[str, Any], error: Mapping[str, Any]) -> tuple[int | str, ...]:
    """Where the mistake is, in the file's own terms: a text alone has no ``[0]``, though it counts as a list of one."""
    location = [part for part in error["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    if error["type"] == "missing":
        return tuple(location)
    node: Any = raw
    for depth, part in enumerate(location):
        if not _is_in(node, part):
            return tuple(location[:depth])
        node = node[part]
    return tuple(location)


def _is_in(node: Any, part: int | str) -> bool:
    if isinstance(node, list):
        return isinstance(part, int) and part < len(node)
    return isinstance(node, dict) and part in node


def _note_broken(reading: Reading, error: Mapping[str, Any]) -> None:
    location, is_missing = error["loc"], error["type"] == "missing"
    if len(location) == 1:
        reading.broken.add((str(location[0]), "*"))
    elif len(location) == 2 or is_missing:
        reading.broken.add((str(location[0]), str(location[1])))


def _without(raw: dict[str, Any], places: list[tuple[tuple[int | str, ...], bool]]) -> bool:
    """Take these places out of the raw tables: the table around what is missing, the deepest part that exists."""
    taken = False
    gone: set[tuple[int, int | str]] = set()
    # From the back, so that the numbers of list items stay right.
    for location, is_missing in sorted(
        places, key=lambda place: [str(part).zfill(9) for part in place[0]], reverse=True
    ):
        parents: list[tuple[Any, int | str]] = []
        node: Any = raw
        for part in location[:-1] if is_missing else location:
            if not _is_in(node, part):
                break
            parents.append((node, part))
            node = node[part]
        if parents and (id(parents[-1][0]), parents[-1][1]) not in gone:
            container, part = parents[-1]
            gone.add((id(container), part))
            del container[part]
            taken = True
    return taken


def matching_files(reading: Reading, member: str, pattern: str) -> list[Path]:
    """The files that a pattern of ``include`` or ``links_from`` names.

    Args:
        member: The key path of the pattern.
    """
    hint = 'such as "links.d/*.toml"; paths are relative to the configuration file'
    is_literal = not any(letter in pattern for letter in "*?[")
    if not pattern.strip("/. "):
        reading.find(member, f'"{pattern}" names no file', hint)
        return []
    reading.matched[pattern] = 0
    if is_literal:
        path = reading.path.parent / pattern
        if wrong := wrong_with_file(path):
            reading.find(member, f"{pattern}: {wrong}", "paths are relative to the configuration file")
            reading.is_incomplete |= member.startswith("include")
            return []
        found = [path]
    else:
        try:
            found = sorted(path for path in files_of(reading.path.parent, pattern) if not wrong_with_file(path))
        except ValueError as error:
            reading.find(member, f'"{pattern}" is no pattern of files: {error}', hint)
            return []
    reading.matched[pattern] = len(found)
    return found


def files_of(folder: Path, pattern: str) -> Iterator[Path]:
    """What a pattern matches. Raises ValueError where it is none."""
    base = Path("/") if pattern.startswith("/") else folder
    # Python 3.13 takes "**.toml" for "*.toml"; before, pathlib raised.
    if any("**" in part and part != "**" for part in pattern.split("/")):
        raise ValueError("** must be a whole part of a path")
    try:
        yield from base.glob(pattern.lstrip("/"))
    except (ValueError, IndexError, NotImplementedError, RecursionError) as error:
        # What Python's pathlib raises for a pattern differs by version.
        raise ValueError(str(error)) from error
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error


def wrong_with_file(path: Path) -> str:
    """Why there is no file to read at a path, in words; empty when there is one."""
    try:
        return "" if stat.S_ISREG(os.stat(path).st_mode) else "is no file"
    except FileNotFoundError:
        return "there is no such file"
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def domains_in(reading: Reading, path: Path) -> list[tuple[str, str]]:
    """One domain a line; ``#`` begins a comment."""
    try:
        with open_regular(path) as file:
            lines = file.read().decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reading.find(path.name, f"cannot be read: {error}")
        return []
    found = []
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if text:
            try:
                found.append((f"{path.name}:{number}", domain(text)))
            except ValueError as error:
                reading.find(f"{path.name}:{number}", str(error))
    reading.linked[str(path)] = len(found)
    return found


def _finding(error: dict[str, Any], prefix: str, model: type[BaseModel]) -> Finding:
    """A pydantic error in our words, with the key path and the nearest valid word."""
    location = error["loc"]
    path = path_of(location, prefix)
    kind = error["type"]
    if kind == "extra_forbidden":
        known = _members(model, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(sorted(known))}"
        return Finding(path=path, message="is not a setting", hint=hint)
    if kind == "missing":
        return Finding(path=path, message="is missing")
    words = {
        "string_type": "must be a text",
        "bool_type": "must be true or false",
        "int_type": "must be a whole number",
        "dict_type": "must be a table",
        "model_type": "must be a table",
        "list_type": "must be a list",
        "model_attributes_type": "must be a table",
    }.get(kind, str(error["msg"]).removeprefix("Value error, "))
    return Finding(path=path, message=words)


def _members(model: type[BaseModel], location: Sequence[Any]) -> list[str]:
    """The names that are valid at a place."""
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel) and isinstance(part, str):
            annotation = current.model_fields[part].annotation if part in current.model_fields else None
            current = _innermost(annotation)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return list(current.model_fields)
    return []


def _innermost(annotation: Any) -> Any:
    for argument in getattr(annotation, "__args__", ()) or ():
        found = _innermost(argument)
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return annotation

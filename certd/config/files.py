"""Files and their shape: what is wrong is noted with its key path, taken out, and the rest is read on."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from certd.config.settings import IssuerSettings
from certd.config.types import domain
from certd.errors import Finding

MOST_FILE = 64 * 1024 * 1024


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
    """

    issuers: Mapping[str, IssuerSettings]
    kinds: Sequence[str]
    check_kind: Callable[[str], str]
    check_dns: Callable[[str, Mapping[str, object], str], list[Finding]]
    check_reload: Callable[[str | tuple[str, ...]], str]
    check_endpoint: Callable[[str], str]


@dataclass(slots=True)
class Reading:
    """One reading: what was found so far."""

    path: Path
    vocabulary: Choices
    environment: Mapping[str, str]
    findings: list[Finding] = field(default_factory=list)
    matched: dict[str, int] = field(default_factory=dict)
    # Tables that are there, but too wrong to be read: what names them is not wrong, too.
    broken: set[tuple[str, str]] = field(default_factory=set)

    def find(self, path: str, message: str, hint: str = "") -> None:
        self.findings.append(Finding(path=path, message=message, hint=hint))


Model = TypeVar("Model", bound=BaseModel)


def parse_file(reading: Reading, path: Path, model: type[Model], prefix: str) -> Model | None:
    try:
        with path.open("rb") as file:
            raw = tomllib.loads(file.read(MOST_FILE).decode())
    except OSError as error:
        hint = "name it with --config FILE or CERTD_CONFIG" if path == reading.path else ""
        reading.find(str(path), f"cannot be read: {error.strerror}", hint)
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reading.find(str(path), f"is not TOML: {error}")
        return None
    return _validated(reading, raw, model, prefix)


def _validated(reading: Reading, raw: dict[str, Any], model: type[Model], prefix: str) -> Model | None:
    """What is wrong is noted and taken out, until the rest is well: so that one mistake does not hide another."""
    told: set[str] = set()
    while True:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_context=False)
        for one in wrong:
            finding = _finding(dict(one), prefix, model)
            if finding.path not in told:
                told.add(finding.path)
                reading.findings.append(finding)
            if one["type"] == "missing" and len(one["loc"]) > 1:
                reading.broken.add((str(one["loc"][0]), str(one["loc"][1])))
        if not _without(raw, [(one["loc"], one["type"] == "missing") for one in wrong]):
            return None


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
            inside = isinstance(node, dict) and part in node
            inside = inside or (isinstance(node, list) and isinstance(part, int) and part < len(node))
            if not inside:
                break
            parents.append((node, part))
            node = node[part]
        if parents and (id(parents[-1][0]), parents[-1][1]) not in gone:
            container, part = parents[-1]
            gone.add((id(container), part))
            del container[part]
            taken = True
    return taken


def matching_files(reading: Reading, pattern: str) -> list[Path]:
    base = reading.path.parent
    found = (
        sorted(path for path in base.glob(pattern) if path.is_file())
        if not pattern.startswith("/")
        else sorted(path for path in Path("/").glob(pattern.lstrip("/")) if path.is_file())
    )
    reading.matched[pattern] = len(found)
    if not found and not any(letter in pattern for letter in "*?["):
        reading.find(pattern, "there is no such file", "paths are relative to the configuration file")
    return found


def domains_in(reading: Reading, path: Path) -> list[tuple[str, str]]:
    """One domain a line; ``#`` begins a comment."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
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
    return found


def _finding(error: dict[str, Any], prefix: str, model: type[BaseModel]) -> Finding:
    """A pydantic error in our words, with the key path and the nearest valid word."""
    location = [part for part in error["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    path = prefix
    for part in location:
        path += (
            f"[{part}]" if isinstance(part, int) else (f".{part}" if path and not path.endswith(": ") else str(part))
        )
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

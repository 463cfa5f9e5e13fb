"""The options of a provider: described once, checked without network, read by type.

A provider's table in the configuration is flat (``server = "..."``) or has its options under ``options``; both are
accepted, so that a vendor's option never collides with one that every provider has.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from certd.errors import Finding

Kind = Literal["text", "secret", "texts", "number", "flag", "table", "secrets"]

# What [dns.NAME] holds for every provider; config judges these.
COMMON = frozenset({"provider", "propagation_timeout", "anycast_grace", "options"})

# How a reference to a secret begins; a secret itself in the file is refused, and not repeated.
REFERENCES = ("file:", "env:", "credential:")

_WORDS: Mapping[Kind, str] = {
    "text": "a text",
    "secret": "a reference to a secret (file:, env: or credential:), never the secret itself",
    "texts": "a list of texts",
    "number": "a whole number",
    "flag": "true or false",
    "table": "a table of lists of texts",
    "secrets": "a table of references to secrets (file:, env: or credential:), never the secrets themselves",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a provider.

    Attributes:
        help: For the hint where it is wrong, and the documentation.
        judge: Says what is wrong with a value of the right type, in words; empty when nothing is.
            A text where ``kind`` is ``texts`` is judged item by item.
    """

    name: str
    kind: Kind
    required: bool = False
    help: str = ""
    judge: Callable[[str], str] | None = None


class Settings:
    """A checked provider table, read by type. Built by ``Schema.read`` only."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def text(self, name: str, default: str = "") -> str:
        """A text or a secret's reference."""
        value = self._values.get(name, default)
        return value if isinstance(value, str) else default

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty where it was left out."""
        value = self._values.get(name, ())
        return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()

    def number(self, name: str, default: int) -> int:
        """A whole number."""
        value = self._values.get(name, default)
        return value if isinstance(value, int) and not isinstance(value, bool) else default

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self._values.get(name, default)
        return value if isinstance(value, bool) else default

    def table(self, name: str) -> dict[str, tuple[str, ...]]:
        """A table of lists of texts; a single text counts as a list of one."""
        value = self._values.get(name, {})
        if not isinstance(value, Mapping):
            return {}
        return {str(key): (each,) if isinstance(each, str) else tuple(each) for key, each in value.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The options of one provider.

    Attributes:
        judge: Says what is wrong between options that are well each by itself.
    """

    options: tuple[Option, ...]
    judge: Callable[[Settings, str], list[Finding]] | None = None

    def check(self, settings: Mapping[str, object], path: str) -> list[Finding]:
        """Every mistake in a provider's table, without network.

        Args:
            settings: The table as the file has it, ``options`` included.
            path: The table's key path, such as ``dns.corp``.
        """
        findings: list[Finding] = []
        known = {option.name: option for option in self.options}
        placed = _placed(settings, path)
        if placed is None:
            return [Finding(path=f"{path}.options", message="must be a table of the provider's options")]
        for name, (where, value) in placed.items():
            option = known.get(name)
            if option is None:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f'did you mean "{near[0]}"?' if near else f"options: {', '.join(sorted(known)) or 'none'}"
                findings.append(Finding(path=where, message="is no option of this provider", hint=hint))
            else:
                findings.extend(_judged(option, value, where))
        findings += [
            Finding(path=f"{path}.{option.name}", message="is missing", hint=option.help)
            for option in self.options
            if option.required and option.name not in placed
        ]
        if self.judge is not None:
            findings += self._between(placed, path, {finding.path for finding in findings})
        return findings

    def _between(self, placed: Mapping[str, tuple[str, object]], path: str, told: set[str]) -> list[Finding]:
        """What is wrong between options, without those that are wrong by themselves: each is told once."""
        if self.judge is None:
            return []
        well = {
            name: value
            for name, (where, value) in placed.items()
            if not any(each == where or each.startswith(f"{where}[") for each in told)
        }
        found = self.judge(Settings(well), path)
        return [finding for finding in found if not any(each.startswith(finding.path) for each in told)]

    def read(self, settings: Mapping[str, object]) -> Settings:
        """The values of a table that ``check`` found well."""
        placed = _placed(settings, "") or {}
        return Settings({name: value for name, (_, value) in placed.items()})


def _placed(settings: Mapping[str, object], path: str) -> dict[str, tuple[str, object]] | None:
    options = settings.get("options", {})
    if not isinstance(options, Mapping):
        return None
    placed = {name: (f"{path}.{name}", value) for name, value in settings.items() if name not in COMMON}
    placed.update({str(name): (f"{path}.options.{name}", value) for name, value in options.items()})
    return placed


def _judged(option: Option, value: object, path: str) -> list[Finding]:
    if not _fits(option.kind, value):
        return [Finding(path=path, message=f"must be {_WORDS[option.kind]}", hint=option.help)]
    if option.judge is None:
        return []
    if isinstance(value, str):
        wrong = option.judge(value)
        return [Finding(path=path, message=wrong, hint=option.help)] if wrong else []
    if isinstance(value, list | tuple):
        judged = ((index, option.judge(item)) for index, item in enumerate(value))
        return [Finding(path=f"{path}[{index}]", message=wrong, hint=option.help) for index, wrong in judged if wrong]
    return []


def _fits(kind: Kind, value: object) -> bool:
    match kind:
        case "text":
            return isinstance(value, str) and value != ""
        case "secret":
            return _is_reference(value)
        case "texts":
            return _is_texts(value)
        case "number":
            return isinstance(value, int) and not isinstance(value, bool)
        case "flag":
            return isinstance(value, bool)
        case "secrets":
            return isinstance(value, Mapping) and all(_is_reference(each) for each in value.values())
        case "table":
            return isinstance(value, Mapping) and all(
                isinstance(each, str) or _is_texts(each) for each in value.values()
            )


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and value.startswith(REFERENCES) and value not in REFERENCES


def _is_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(item, str) and item for item in value)

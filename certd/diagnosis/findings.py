"""What the doctor says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How it is."""

    PASS = "pass"  # noqa: S105 (a word)
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one check found.

    Attributes:
        words: A sentence.
        hint: What to do about it; empty where there is nothing to do.
    """

    grade: Grade
    words: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A result with the name of its check.

    Attributes:
        code: As in the list of checks, such as ``A2``.
        group: DNS, stored material, TLS as served, HTTP, upstream, deploy path, policy.
        name: Such as ``dns.target``.
    """

    code: str
    group: str
    name: str
    result: Result
    milliseconds: float = 0.0


def well(words: str) -> Result:
    """Pass."""
    return Result(grade=Grade.PASS, words=words)


def warn(words: str, hint: str = "") -> Result:
    """Somebody should know."""
    return Result(grade=Grade.WARN, words=words, hint=hint)


def fail(words: str, hint: str = "") -> Result:
    """Clients suffer, or will."""
    return Result(grade=Grade.FAIL, words=words, hint=hint)


def skip(words: str, hint: str = "") -> Result:
    """It does not apply, or cannot be seen from here."""
    return Result(grade=Grade.SKIP, words=words, hint=hint)


def worst(results: list[Result]) -> Result:
    """Of several addresses the one that is worst off speaks for all; skips count only where there is nothing else."""
    order = [Grade.FAIL, Grade.WARN, Grade.PASS, Grade.SKIP]
    return min(results, key=lambda result: order.index(result.grade)) if results else skip("there is no address to ask")

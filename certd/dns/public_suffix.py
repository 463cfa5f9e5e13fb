"""The registered domain of a name, by the Public Suffix List that lies beside this module; nothing is fetched.

CAs count by it, its private part included. A suffix that is newer than our copy makes us count stricter than the CA.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

# What stands before it in the list are the suffixes of registries; what follows, those of companies.
PRIVATE = "// ===BEGIN PRIVATE DOMAINS==="


@lru_cache(maxsize=1)
def _rules() -> tuple[frozenset[str], frozenset[str]]:
    """Rules and exceptions; read when they are first asked for, in some 5 ms."""
    return _parsed(_text())


@lru_cache(maxsize=1)
def _registry_rules() -> tuple[frozenset[str], frozenset[str]]:
    """The same without those of companies."""
    return _parsed(_text().partition(PRIVATE)[0])


def _text() -> str:
    return files(__package__).joinpath("public_suffix_list.dat").read_text(encoding="ascii")


def _parsed(text: str) -> tuple[frozenset[str], frozenset[str]]:
    lines = [line for line in text.splitlines() if line and not line.startswith("//")]
    exceptions = frozenset(line.removeprefix("!") for line in lines if line.startswith("!"))
    return frozenset(line for line in lines if not line.startswith("!")), exceptions


def public_suffix(name: str) -> str:
    """The longest rule that fits (publicsuffix.org/list, "Algorithm"); the last label where none does.

    Args:
        name: A-labels, in lower case, without a final dot.
    """
    return _longest(name, *_rules())


def is_registry_suffix(name: str) -> bool:
    """Whether a name is a suffix under which a registry sells names, such as ``co.uk``. No CA signs for it. A company
    may well have a certificate for its own suffix, such as ``github.io``.
    """
    return _longest(name, *_registry_rules()) == name


def _longest(name: str, rules: frozenset[str], exceptions: frozenset[str]) -> str:
    labels = name.split(".")
    for start in range(len(labels)):
        rest = ".".join(labels[start:])
        above = ".".join(labels[start + 1 :])
        if rest in exceptions:
            return above
        if rest in rules or (above and f"*.{above}" in rules):
            return rest
    return labels[-1]


def registered_domain(name: str) -> str:
    """``example.co.uk`` of ``a.link.example.co.uk``; a name that is itself a suffix stands for itself."""
    plain = name.lower().removeprefix("*.").rstrip(".")
    suffix = public_suffix(plain)
    if plain == suffix:
        return plain
    return f"{plain.removesuffix('.' + suffix).rpartition('.')[2]}.{suffix}"

"""The small languages of the configuration: durations, domain names, references to secrets."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from certd.config.credentials import SCHEME, credential_file
from certd.config.domain_name import domain
from certd.config.secret_files import unreadable
from certd.errors import CertdError, SecretUnreadable
from certd.model import Secret
from certd.system.regular_file import open_regular

_DURATION = re.compile(r"(\d{1,6})(s|m|h|d|w)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
MOST_SECRET = 64 * 1024

# Longer ones overflow dates and timeouts far from whoever wrote them.
LONGEST_DURATION = timedelta(days=366)


def duration(text: str) -> timedelta:
    """``90s``, ``10m``, ``2h30m``, ``7d``, at most a year. Raises ValueError with what would be right."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'"{_shortened(text)}" is no duration; write it like "90s", "10m", "2h30m" or "7d"')
    seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
    if seconds > LONGEST_DURATION.total_seconds():
        raise ValueError(f'"{_shortened(text)}" is too long; the longest duration is 366 days, "366d"')
    return timedelta(seconds=seconds)


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."


def wrong_with_target(text: str) -> str:
    """What is wrong with a name or address that DNS must lead to, in words; empty when nothing is."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        return ""
    try:
        domain(text)
    except ValueError as error:
        return str(error)
    return ""


def is_reference(text: str) -> bool:
    """Whether a text refers to a secret instead of being one."""
    scheme, _, rest = text.partition(":")
    return scheme in {"file", "env", "credential"} and bool(rest)


def secret(reference: str, *, folder: Path, environment: Mapping[str, str] = os.environ) -> Secret:
    """Read what a reference means, anew at each use.

    Args:
        folder: Relative ``file:`` paths start there.

    Raises:
        SecretUnreadable, CredentialMissing: naming the reference, and never what is in it.
        CertdError: it is no reference.
    """
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        value = environment.get(rest)
        if value is None:
            raise SecretUnreadable(
                f"{reference}: there is no such environment variable",
                hint="set it for the service (systemctl edit certd: Environment=), or write file:/path instead",
            )
        return Secret(value)
    if scheme == SCHEME:
        return _read(credential_file(rest, environment), reference)
    if scheme == "file":
        return _read(folder / rest, reference)
    raise CertdError("a secret must be a reference: file:, env: or credential:")


def _read(path: Path, reference: str) -> Secret:
    try:
        with open_regular(path) as file:
            return Secret(file.read(MOST_SECRET).decode().strip())
    except OSError as error:
        raise unreadable(path, reference, error) from error
    except UnicodeDecodeError as error:
        raise SecretUnreadable(
            f"{reference}: {path} is not text", hint="write the secret itself into it, in ASCII"
        ) from error

"""``credential:`` references (systemd.exec(5), "Credentials"): the service is given them, a command by hand is not.

While the service runs its credentials lie under /run/credentials, for root and for the service's own user (an access
control list, or its ownership; systemd 252's exec-credential.c). So a command finds them there. While it does not run,
``systemd-run`` passes them to a command in the same way, from the same stores.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

from certd.errors import CredentialMissing
from certd.model.address import Address

SCHEME = "credential"
SERVICE = "certd.service"
OF_THE_SERVICE = Path("/run/credentials") / SERVICE

# There while systemd is the system's manager (sd_booted(3)).
SYSTEMD = Path("/run/systemd/system")


def credential_file(
    name: str, environment: Mapping[str, str], *, of_the_service: Path = OF_THE_SERVICE, systemd: Path = SYSTEMD
) -> Path:
    """Where a credential lies.

    Raises:
        CredentialMissing: nobody passed one, and those of the running service are not there, or not for this user.
    """
    name = Path(name).name
    given = environment.get("CREDENTIALS_DIRECTORY")
    if given:
        return Path(given) / name
    try:
        path = of_the_service / name
        if path.exists():
            return path
        runs = of_the_service.exists()
    except PermissionError:
        raise CredentialMissing(
            f"{SCHEME}:{name}: {of_the_service} is for root and for the service's own user",
            name=name,
            hint="use sudo",
        ) from None
    if runs:
        raise CredentialMissing(
            f"{SCHEME}:{name}: {SERVICE} was started without it",
            name=name,
            hint=f"put it into /etc/credstore/{name}, or write LoadCredential={name}:/path by "
            f"`systemctl edit {SERVICE}`; then systemctl restart {SERVICE}",
        )
    if not systemd.exists():
        raise CredentialMissing(
            f"{SCHEME}:{name}: only systemd passes credentials, and it does not run here",
            name=name,
            hint='write "file:/path" or "env:NAME" instead',
        )
    raise CredentialMissing(
        f"{SCHEME}:{name}: this command was not passed it, and {SERVICE}, whose it could take, does not run",
        name=name,
        hint=way_out((name,), "certd ..."),
        is_by_hand=True,
    )


def way_out(names: tuple[str, ...], command: str) -> str:
    """For people: the command line that runs a command as the service is run, with credentials from the same stores."""
    loads = " ".join(f"-p LoadCredential={shlex.quote(name)}" for name in names)
    return (
        f"systemctl start {SERVICE}, or pass it by hand: "
        f"sudo systemd-run --quiet --pipe --wait --collect --uid=certd {loads} {command}"
    )


def credentials_in(value: object) -> tuple[str, ...]:
    """The names of all credentials that a configuration refers to, in its order."""
    if isinstance(value, Address):
        value = value.reveal()
    if isinstance(value, str):
        scheme, _, name = value.partition(":")
        return (Path(name).name,) if scheme == SCHEME and name else ()
    parts: list[object] = []
    if is_dataclass(value):
        parts = [getattr(value, field.name) for field in fields(value)]
    elif isinstance(value, Mapping):
        parts = list(value.values())
    elif isinstance(value, list | tuple):
        parts = list(value)
    return tuple(dict.fromkeys(name for part in parts for name in credentials_in(part)))

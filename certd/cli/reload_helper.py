"""``certd-reload STAMP``: the program of certd-reload@.service, the only part of certd that runs as root.

The proxy's own check would fail in the helper's sandbox (nginx -t binds the ports that it is configured for), so
systemd runs it, as a unit of its own; and systemd reloads the proxy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from certd.cli.output import complain
from certd.errors import CertdError, UsageError
from certd.targets.root_copies import copy_pointers, is_copied, root_copies_of
from certd.targets.root_helper import answer, commands_of

# Without --wait nothing would be known of its end; --pipe brings its words back.
AS_ITSELF = ("systemd-run", "--quiet", "--collect", "--wait", "--pipe", "--no-ask-password", "--service-type=exec")


def commands(name: str, environment: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """What is run for the proxy of this name: its check, then its reload.

    ``CERTD_KIND`` and ``CERTD_UNIT``, set by whoever edits the unit, say it of a proxy whose name does not.

    Raises:
        TargetError: it is not known how it is reloaded.
    """
    kind = environment.get("CERTD_KIND") or name
    *checks, reload = commands_of(kind, environment.get("CERTD_UNIT", ""))
    return (*((*AS_ITSELF, *check) for check in checks), reload)


def copying(stamp: Path, environment: Mapping[str, str]) -> Callable[[], Mapping[str, str]] | None:
    """How the pointers of the stamp's proxy are copied; None where no site can include a copy."""
    kind = environment.get("CERTD_KIND") or stamp.name
    state = stamp.parent.parent
    folder = root_copies_of(state, stamp.name)
    if not is_copied(kind) or not folder.is_dir():
        return None
    return lambda: copy_pointers(state, stamp.name, kind, folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer one question and exit: 0, or the exit code of what failed."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        if len(words) != 1 or not words[0].startswith("/"):
            raise UsageError("usage: certd-reload STAMP", hint="systemd runs it: systemctl start certd-reload@nginx")
        stamp = Path(words[0])
        sys.exit(answer(stamp, commands(stamp.name, os.environ), copying=copying(stamp, os.environ)))
    except CertdError as error:
        complain(error)
        sys.exit(1)

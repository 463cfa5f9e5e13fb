"""Whether a changed configuration may be taken over while certd runs."""

from __future__ import annotations

from certd.config.settings import Settings
from certd.errors import CertdError
from certd.timefmt import counted

# Of many links no edit drops more than this share at once; a generator that broke does.
MOST_DROPPED = 1 / 20
MANY_LINKS = 40


def judge_change(old: Settings, new: Settings) -> None:
    """Refuse a new configuration that looks like an accident.

    Raises:
        CertdError: it would drop many links, or all of a file; its globs match nothing any more; or it needs a restart.
    """
    for pattern, count in old.matched.items():
        if count and new.matched.get(pattern) == 0:
            raise CertdError(
                f"{pattern} matched {counted(count, 'file')} and matches none now",
                hint="restart certd if that is meant",
            )
    dropped = {link.name for link in old.links} - {link.name for link in new.links}
    for file, count in old.linked.items():
        if dropped and count and new.linked.get(file) == 0:
            raise CertdError(
                f"{file} had {count} link{'s' if count > 1 else ''} and has none now",
                hint=f"{'' if file == str(new.path) else 'delete the file, or '}restart certd if that is meant",
            )
    if len(old.links) >= MANY_LINKS and len(dropped) > len(old.links) * MOST_DROPPED:
        raise CertdError(
            f"it would drop {len(dropped)} of {counted(len(old.links), 'link')}", hint="restart certd if that is meant"
        )
    for name in ("state", "node", "store", "issue", "listen", "listen_password", "metrics_password", "admin_group"):
        if getattr(old, name) != getattr(new, name):
            raise CertdError(f"certd.{name} has changed", hint="that needs a restart")

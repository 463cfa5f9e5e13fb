"""Who may ask the daemon: its Unix socket, and the group that it belongs to."""

from __future__ import annotations

import grp

from certd.config.settings import Settings
from certd.control.protocol import Answerer, ControlServer
from certd.errors import CertdError
from certd.ports import Journal

CONTROL = "control.sock"


def listen(settings: Settings, answer: Answerer, journal: Journal) -> ControlServer:
    """Listen for operators. Without ``certd.admin_group`` these are the members of the service's own group.

    A group that cannot be given the socket (there is none, or the service is no member and may not give files away)
    keeps nobody from their certificates: it is said, and the socket is the owner's and root's alone.

    Raises:
        CertdError: nobody can listen there.
    """
    path = settings.state / CONTROL
    wanted = settings.admin_group
    if not wanted:
        server = ControlServer(path, answer)
        server.start()
        return server
    try:
        group = int(wanted) if wanted.isdigit() else grp.getgrnam(wanted).gr_gid
        server = ControlServer(path, answer, group=group)
        server.start()
    except (KeyError, CertdError) as error:
        why = "there is no such group" if isinstance(error, KeyError) else str(error)
        journal.warn(
            "the admin group may not ask",
            group=wanted,
            reason=why,
            hint="the group must exist, and the user that certd runs as must be a member of it",
        )
        server = ControlServer(path, answer, mode=0o600)
        server.start()
    return server

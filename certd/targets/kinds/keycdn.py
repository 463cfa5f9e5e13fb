"""A zone's custom certificate at KeyCDN (``certd.targets.remotes.keycdn``)."""

from __future__ import annotations

from datetime import timedelta

from certd.targets.kind import ProxyKind, RemoteRules
from certd.targets.pointers import Pointer, plain

INIT_TABLE = """\
[proxy.keycdn]
# Where clients reach it, as the CDN's documentation has it: a handshake there proves what is served.
endpoints = ["link.example.com:443"]

[proxy.keycdn.keycdn]
zone = "12345"
token = "file:/etc/certd/keycdn"
"""

KIND = ProxyKind(
    name="keycdn",
    programs=(),
    check=(),
    # It names what was uploaded last.
    pointer=Pointer(suffix=".path", body=plain),
    configuration=None,
    init_table=INIT_TABLE,
    remote=RemoteRules(
        module="certd.targets.remotes.keycdn",
        settles=timedelta(hours=1),
        key_types=frozenset({"ecdsa-p256", "rsa-2048", "rsa-3072", "rsa-4096"}),
        needs_zone=True,
        holds_one=True,
    ),
)

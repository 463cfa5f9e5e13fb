"""Custom TLS certificates at Fastly (``certd.targets.remotes.fastly``)."""

from __future__ import annotations

from datetime import timedelta

from certd.targets.kind import ProxyKind, RemoteRules
from certd.targets.pointers import Pointer, plain

INIT_TABLE = """\
[proxy.fastly]
# Where clients reach it, as the CDN's documentation has it: a handshake there proves what is served.
endpoints = ["link.example.com:443"]

[proxy.fastly.fastly]
token = "file:/etc/certd/fastly"
"""

KIND = ProxyKind(
    name="fastly",
    programs=(),
    check=(),
    # It names what was uploaded last.
    pointer=Pointer(suffix=".path", body=plain),
    configuration=None,
    init_table=INIT_TABLE,
    remote=RemoteRules(
        module="certd.targets.remotes.fastly",
        settles=timedelta(hours=1),
        key_types=frozenset({"ecdsa-p256", "ecdsa-p384", "rsa-2048"}),
        # A key is an object of its own there, and an uploaded one is not found by what it is.
        may_reuse_key=False,
    ),
)

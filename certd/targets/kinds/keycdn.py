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
    settles=timedelta(hours=1),
    # It names what was uploaded last.
    pointer=Pointer(suffix=".path", body=plain),
    configuration=None,
    init_table=INIT_TABLE,
    remote=RemoteRules(
        module="certd.targets.remotes.keycdn",
        key_types=frozenset({"ecdsa-p256", "rsa-2048", "rsa-3072", "rsa-4096"}),
        needs_zone=True,
        holds_one=True,
        own_side=(
            "Zone alias: the link; DNS: a CNAME of the link to the zone's name.",
            "Origin: the e-mail service; forward the Host header (cachehostheader).",
            "Cache: off for the link; a cached redirect loses clicks.",
        ),
    ),
)

"""A zone's custom certificate at Cloudflare (``certd.targets.remotes.cloudflare``)."""

from __future__ import annotations

from datetime import timedelta

from certd.targets.kind import ProxyKind, RemoteRules
from certd.targets.pointers import Pointer, plain

INIT_TABLE = """\
[proxy.cloudflare]
# Where clients reach it, as the CDN's documentation has it: a handshake there proves what is served.
endpoints = ["link.example.com:443"]

[proxy.cloudflare.cloudflare]
zone = "0123456789abcdef0123456789abcdef"
token = "file:/etc/certd/cloudflare-ssl"
"""

KIND = ProxyKind(
    name="cloudflare",
    programs=(),
    check=(),
    # It names what was uploaded last.
    pointer=Pointer(suffix=".path", body=plain),
    configuration=None,
    init_table=INIT_TABLE,
    remote=RemoteRules(
        module="certd.targets.remotes.cloudflare",
        settles=timedelta(minutes=15),
        key_types=frozenset({"ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"}),
        # "Uploading": not expiring within 14 days of the upload.
        least_left=timedelta(days=14),
        needs_zone=True,
    ),
)

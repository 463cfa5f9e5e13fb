"""hitch: one file with certificate and key, and one backend that gets the bytes of the client as they are.

hitch ends TLS and nothing else: it speaks plain HTTP to its backend, and it serves no port 80. It reads a file again
only when its modification time is newer than the one it loaded. certd writes the pointer as a new file each time, so
that going back to the certificate before is newer, too.
"""

from __future__ import annotations

from certd.targets.kind import ProxyKind
from certd.targets.pointers import Pointer, Source
from certd.targets.site import Site

# Where a web server forwards by TLS what hitch hands over in plain text.
LOCAL_BACKEND = "[127.0.0.1]:8080"


def configuration(site: Site) -> str:
    """For hitch.conf. Raises UsageError."""
    site = site.checked()
    is_direct = not site.is_tls or site.may_be_plain
    port = 80 if site.is_tls else site.port
    backend = f"[{site.host}]:{port}" if is_direct else LOCAL_BACKEND
    protocol = ["proxy-proxy = on"] if site.proxy_protocol else []
    lines = [
        f"# {site.link}: written by `certd proxy-config`; for hitch.conf.",
        f"# hitch serves no port 80: another web server must answer http://{site.domains[0]}.",
        "# hitch needs one backend for all links; remove this line where you have one.",
        *([] if is_direct else _words_for_tls(site)),
        f'backend = "{backend}"',
        "# The host of the backend is looked up again after so many seconds.",
        "backend-refresh = 30",
        *protocol,
        "# Certificate and key; certd replaces this file and reloads hitch.",
        f'pem-file = "{site.pointer}"',
    ]
    places = [address.strip("[]") for address in site.addresses] or ["*"]
    lines += [f'frontend = "[{place}]:{site.listen[1]}"' for place in places]
    return "\n".join([*lines, "tls-protos = TLSv1.2 TLSv1.3", ""])


def _words_for_tls(site: Site) -> list[str]:
    return [
        f"# hitch speaks no TLS to a backend: a web server on this machine must forward to {site.upstream},",
        "# with the Host header and the path as they are.",
    ]


def _pointer(source: Source) -> str:
    """hitch skips what stands outside of the PEM blocks."""
    return source.read("combined.pem")


KIND = ProxyKind(
    name="hitch",
    programs=("hitch",),
    check=("hitch", "--test", "--config=/etc/hitch/hitch.conf"),
    unit="hitch.service",
    pointer=Pointer(suffix=".pem", body=_pointer),
    configuration=configuration,
    is_reloaded_by_hooks=True,
)

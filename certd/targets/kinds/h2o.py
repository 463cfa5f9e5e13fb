"""h2o: a host for the plain port and one for the TLS port, each of which forwards every path with the Host header kept.

h2o takes a new certificate at SIGHUP when it runs as ``h2o -m master``, as Debian's unit runs it. For about one second
the workers of before and of now both answer. In the plain worker mode SIGHUP ends it.
"""

from __future__ import annotations

import json

from certd.errors import UsageError
from certd.targets.kind import ProxyKind
from certd.targets.pointers import Pointer, Source
from certd.targets.site import DEFAULT_BUNDLE, Site


def configuration(site: Site) -> str:
    """For h2o.conf. Several links share ``hosts``. Raises UsageError."""
    site = site.checked()
    if site.associations:
        raise UsageError(
            f"{site.link}: certd writes no association files for h2o",
            hint="serve the association paths by file.dir of your own, and leave association_files out",
        )
    lines = [
        f'# {site.link}: written by `certd proxy-config`; for h2o.conf. Several links share one "hosts".',
        "# Run h2o as master (h2o -m master): without it the reload ends h2o.",
        "hosts:",
    ]
    if site.forwarded_host and any(domain.startswith("*.") for domain in site.domains):
        lines.insert(
            2, "# The e-mail service wants X-Forwarded-Host. h2o cannot set it for a wildcard: name the hosts."
        )
    for domain in site.domains:
        for port, is_tls in zip(site.listen, (False, True), strict=True):
            lines += _host(site, domain, port, is_tls=is_tls)
    return "\n".join(lines) + "\n"


def _host(site: Site, domain: str, port: int, *, is_tls: bool) -> list[str]:
    lines = [f"  {json.dumps(f'{domain}:{port}')}:"]
    for address in site.addresses or ("",):
        # Debian's h2o takes "listen" more than once, and no list.
        lines += ["    listen:", f"      port: {port}"]
        if address:
            lines.append(f"      host: {json.dumps(address.strip('[]'))}")
        if site.proxy_protocol:
            lines.append("      proxy-protocol: ON")
        if is_tls:
            lines.append("      # The certificate's lines; certd replaces this file and reloads h2o.")
            lines.append(f"      ssl: !file {json.dumps(site.pointer)}")
    lines += [
        "    paths:",
        '      "/":',
        '        # Without the link\'s own name the e-mail service answers "Bad Hostname in Link".',
        "        proxy.preserve-host: ON",
        f"        proxy.reverse.url: {json.dumps(f'{site.parts.scheme}://{site.parts.netloc}/')}",
        "        proxy.timeout.io: 30000",
    ]
    if site.forwarded_host and not domain.startswith("*."):
        lines.append(f"        proxy.header.set: {json.dumps(f'X-Forwarded-Host: {domain}')}")
    if site.is_tls and site.ca_file != DEFAULT_BUNDLE:
        lines.append(f"        proxy.ssl.cafile: {json.dumps(site.ca_file)}")
    return lines


def _pointer(source: Source) -> str:
    return (
        f"certificate-file: {json.dumps(source.folder + '/fullchain.pem')}\n"
        f"key-file: {json.dumps(source.folder + '/privkey.pem')}\n"
        "minimum-version: TLSv1.2\n"
    )


KIND = ProxyKind(
    name="h2o",
    programs=("h2o",),
    check=("h2o", "-t", "-c", "/etc/h2o/h2o.conf"),
    unit="h2o.service",
    pid_file="/run/h2o.pid",
    pointer=Pointer(suffix=".yaml", body=_pointer),
    includes_pointer=True,
    configuration=configuration,
    is_reloaded_by_hooks=True,
)

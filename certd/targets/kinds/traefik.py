"""Traefik: router and service of a link; the certificate is a dynamic file of certd's in a watched folder."""

from __future__ import annotations

import json
import re

from certd.errors import UsageError
from certd.targets.kind import ProxyKind
from certd.targets.pointers import Pointer, Source
from certd.targets.site import DEFAULT_BUNDLE, Site


def configuration(site: Site) -> str:
    """A dynamic configuration file for the file provider. Raises UsageError."""
    site = site.checked()
    if site.associations:
        raise UsageError(
            f"{site.link}: Traefik serves no files",
            hint="route the association paths to a web server of yours, and leave association_files out",
        )
    rule = " || ".join(map(_rule, site.domains))
    name = f"certd_{site.label}"
    lines = [
        f"# {site.link}: written by `certd proxy-config`; a file of its own for Traefik's file provider.",
        "# Traefik's static configuration watches certd's folder for the certificates:",
        f"#   providers.file.directory = {site.folder}",
        "# so put this file there, too, or give it a provider of its own. Entry points: web and websecure,",
        '# each with http.encodeQuerySemicolons = true: a ";" in a query becomes "%3B" then, and "&" without it.',
        "http:",
        "  routers:",
        f"    {name}_plain:",
        "      entryPoints: [web]",
        f"      rule: {json.dumps(rule)}",
        f"      service: {name}",
        f"    {name}:",
        "      entryPoints: [websecure]",
        f"      rule: {json.dumps(rule)}",
        f"      service: {name}",
        "      tls: {}",
        "  services:",
        f"    {name}:",
        "      loadBalancer:",
        "        passHostHeader: true",
        f"        servers: [{{ url: {json.dumps(site.upstream)} }}]",
    ]
    if site.is_tls:
        lines += [
            f"        serversTransport: {name}",
            "  serversTransports:",
            f"    {name}:",
            f"      serverName: {site.host}",
            *([f"      rootCAs: [{json.dumps(site.ca_file)}]"] if site.ca_file != DEFAULT_BUNDLE else []),
        ]
    return "\n".join(lines) + "\n"


def _rule(domain: str) -> str:
    if domain.startswith("*."):
        return f"HostRegexp(`^[^.]+{re.escape(domain[1:])}$`)"
    return f"Host(`{domain}`)"


def _pointer(source: Source) -> str:
    """The file's text changes with the generation, so that Traefik, which compares it, notices."""
    return (
        "tls:\n  certificates:\n"
        f"    - certFile: {json.dumps(source.folder + '/fullchain.pem')}\n"
        f"      keyFile: {json.dumps(source.folder + '/privkey.pem')}\n"
    )


KIND = ProxyKind(
    name="traefik",
    programs=("traefik",),
    check=(),
    watches=True,
    reads_as_user=True,
    pointer=Pointer(suffix=".yml", body=_pointer),
    configuration=configuration,
)

"""Caddy: two sites, since Caddy would redirect http by itself, and the Host header said: Caddy 2.11 replaces it for TLS
upstreams.
"""

from __future__ import annotations

from certd.system.endpoint import has_port, split_endpoint
from certd.targets.kind import ProxyKind, ReloadApi, built_by
from certd.targets.pointers import Pointer, Source
from certd.targets.site import DEFAULT_BUNDLE, Site


def configuration(site: Site) -> str:
    """For a Caddyfile. Raises UsageError."""
    site = site.checked()
    plain, tls = site.listen
    bind = [f"    bind {' '.join(site.addresses)}"] if site.addresses else []
    http = ", ".join(f"http://{domain}:{plain}" for domain in site.domains)
    https = ", ".join(f"https://{domain}:{tls}" for domain in site.domains)
    lines = [
        f"# {site.link}: written by `certd proxy-config`; import it in the Caddyfile.",
        f"(certd_{site.label}) {{",
        *(line for path, file in site.local_files.items() for line in _local(path, file)),
        f"    reverse_proxy {site.parts.scheme}://{site.parts.netloc} {{",
        '        # Without the link\'s own name the e-mail service answers "Bad Hostname in Link".',
        "        header_up Host {host}",
        "        transport http {",
        *(_tls(site) if site.is_tls else []),
        *([f"            resolvers {' '.join(site.resolvers)}"] if site.resolvers else []),
        "            dial_timeout 5s",
        "            response_header_timeout 30s",
        "            # As the client asked: Caddy would ask for gzip by itself.",
        "            compression off",
        "        }",
        "    }",
        "}",
        "",
        f"{http} {{",
        *bind,
        f"    import certd_{site.label}",
        "}",
        "",
        f"{https} {{",
        *bind,
        "    # The certificate's line; certd replaces this file and has Caddy load its configuration again, by force.",
        f"    import {site.pointer}",
        f"    import certd_{site.label}",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _tls(site: Site) -> list[str]:
    lines = ["            tls", f"            tls_server_name {site.host}"]
    if site.ca_file != DEFAULT_BUNDLE:
        lines.append(f"            tls_trusted_ca_certs {site.ca_file}")
    return lines


def _local(path: str, file: str) -> list[str]:
    folder, _, name = file.rpartition("/")
    return [
        "    # For app links; neither forwarded nor redirected.",
        f"    handle {path} {{",
        f"        root * {folder or '/'}",
        f"        rewrite * /{name}",
        "        header Content-Type application/json",
        "        file_server",
        "    }",
    ]


def _pointer(source: Source) -> str:
    return f'tls "{source.folder}/fullchain.pem" "{source.folder}/privkey.pem"\n'


def _split(address: str) -> tuple[str, ...] | None:
    """``ADMIN:CONFIG``: the admin API (``host:port``, ``[2001:db8::1]:port`` or ``unix//path``), and the configuration
    to load again. Raises ValueError for an address that is not one.
    """
    admin, _, config = address.rpartition(":")
    if not config.startswith("/"):
        return None
    if not admin.startswith("unix//"):
        split_endpoint(admin)
        if not has_port(admin):
            raise ValueError("the admin API has no port")
    return (admin, config)


KIND = ProxyKind(
    name="caddy",
    programs=("caddy",),
    check=(),
    unit="caddy.service",
    reads_as_user=True,
    api=ReloadApi(address="localhost:2019:/etc/caddy/Caddyfile", split=_split, build=built_by("certd.targets.caddy")),
    pointer=Pointer(suffix=".conf", body=_pointer),
    includes_pointer=True,
    configuration=configuration,
    import_client="caddy",
    is_reloaded_by_hooks=True,
)

"""HAProxy: a frontend that reads every pointer in certd's folder, and a backend for the e-mail service.

HAProxy keeps the Host header and the path as they are; towards a TLS upstream it sends no SNI unless told.
"""

from __future__ import annotations

from certd.targets.kind import ProxyKind, ReloadApi, built_by
from certd.targets.pointers import Pointer, Source
from certd.targets.site import DEFAULT_BUNDLE, HEADER_KIB, Site


def configuration(site: Site) -> str:
    """Frontend and backend. Several links share the frontend: add a ``use_backend`` for each. Raises UsageError."""
    site = site.checked()
    accept = " accept-proxy" if site.proxy_protocol else ""
    # One socket for each family: a v4 client on a v6 socket would be forwarded for as ::ffff:192.0.2.1.
    places = [(f"{address}:", "") for address in site.addresses] or [("*:", ""), (":::", " v6only")]
    lines = [
        f"# {site.link}: written by `certd proxy-config`; for haproxy.cfg.",
        "# Tracked links are long, and so is what they redirect to.",
        "global",
        f"    tune.bufsize {HEADER_KIB * 1024}",
        "",
        "# certd gives HAProxy new certificates by its runtime API (stats socket ... level admin), or by a reload.",
    ]
    if not site.is_address:
        servers = [f"    nameserver ns{number} {place}" for number, place in enumerate(site.resolvers, start=1)]
        lines += ["resolvers certd", *(servers or ["    parse-resolv-conf"]), ""]
    lines += ["frontend certd", "    mode http", "    option forwardfor", "    timeout client 60s"]
    for place, family in places:
        lines.append(f"    bind {place}{site.listen[0]}{family}{accept}")
        lines.append(
            f"    bind {place}{site.listen[1]}{family}{accept} ssl crt {site.folder}/ ssl-min-ver TLSv1.2 alpn http/1.1"
        )
    names = " ".join(domain.removeprefix("*") for domain in site.domains)
    match = "-m end " if any(domain.startswith("*") for domain in site.domains) else ""
    wanted = f"{{ req.hdr(host),field(1,:),lower {match}{names} }}"
    for path, file in site.local_files.items():
        answer = f"http-request return status 200 content-type application/json file {file}"
        lines.append(f"    {answer} if {{ path {path} }} {wanted}")
    lines += [
        "    http-request set-header X-Forwarded-Proto https if { ssl_fc }",
        "    http-request set-header X-Forwarded-Proto http if !{ ssl_fc }",
        *(["    http-request set-header X-Forwarded-Host %[req.hdr(host)]"] if site.forwarded_host else []),
        f"    use_backend certd_{site.label} if {wanted}",
        "",
        f"backend certd_{site.label}",
        "    mode http",
        "    timeout connect 5s",
        "    timeout server 30s",
    ]
    server = f"    server esp {site.host}:{site.port}"
    if not site.is_address:
        server += " resolvers certd init-addr last,libc,none"
    if site.is_tls:
        anchors = "@system-ca" if site.ca_file == DEFAULT_BUNDLE else site.ca_file
        server += f" ssl verify required ca-file {anchors} sni str({site.host}) verifyhost {site.host}"
    return "\n".join([*lines, server]) + "\n"


def _pointer(source: Source) -> str:
    """HAProxy reads one file; what stands outside of PEM's blocks is skipped."""
    return source.read("combined.pem")


def _split(address: str) -> tuple[str, ...] | None:
    return (address,) if address.startswith("/") else None


KIND = ProxyKind(
    name="haproxy",
    programs=("haproxy",),
    check=("haproxy", "-c", "-f", "/etc/haproxy/haproxy.cfg"),
    unit="haproxy.service",
    pid_file="/run/haproxy.pid",
    signal="USR2",
    api=ReloadApi(address="/run/haproxy/admin.sock", split=_split, build=built_by("certd.targets.haproxy")),
    # Every file of the folder that does not begin with a dot is loaded.
    pointer=Pointer(suffix=".pem", body=_pointer),
    configuration=configuration,
    is_reloaded_by_hooks=True,
)

"""HAProxy: a frontend that reads every pointer in certd's folder, and a backend for the e-mail service.

HAProxy keeps the Host header and the path as they are; towards a TLS upstream it sends no SNI unless told (proxies.md
5.2).
"""

from __future__ import annotations

from certd.targets.configs.site import Site


def haproxy(site: Site) -> str:
    """Frontend and backend. Several links share the frontend: add a ``use_backend`` for each. Raises UsageError."""
    site = site.checked()
    accept = " accept-proxy" if site.proxy_protocol else ""
    places = [f"{address}:" for address in site.addresses] or [":::"]
    both = "" if site.addresses else " v4v6"
    lines = [
        f"# {site.link}: written by `certd proxy-config`; for haproxy.cfg.",
        "# certd gives HAProxy new certificates by its runtime API (stats socket ... level admin), or by a reload.",
    ]
    if not site.is_address:
        lines += ["resolvers certd", "    parse-resolv-conf", "    hold valid 60s", ""]
    lines += ["frontend certd", "    mode http", "    option forwardfor", "    timeout client 60s"]
    for place in places:
        lines.append(f"    bind {place}{site.listen[0]}{both}{accept}")
        lines.append(
            f"    bind {place}{site.listen[1]}{both}{accept} ssl crt {site.folder}/ ssl-min-ver TLSv1.2 alpn http/1.1"
        )
    names = " ".join(domain.removeprefix("*") for domain in site.domains)
    match = "-m end " if any(domain.startswith("*") for domain in site.domains) else ""
    lines += [
        "    http-request set-header X-Forwarded-Proto https if { ssl_fc }",
        "    http-request set-header X-Forwarded-Proto http if !{ ssl_fc }",
        f"    use_backend certd_{site.label} if {{ req.hdr(host),field(1,:),lower {match}{names} }}",
        "",
        f"backend certd_{site.label}",
        "    mode http",
        "    timeout connect 10s",
        "    timeout server 60s",
    ]
    server = f"    server esp {site.host}:{site.port}"
    if not site.is_address:
        server += " resolvers certd init-addr last,libc,none"
    if site.is_tls:
        server += f" ssl verify required ca-file @system-ca sni str({site.host}) verifyhost {site.host}"
    return "\n".join([*lines, server]) + "\n"

"""The proxy's side of a link, written out for the operator to include."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from certd.errors import UsageError


def nginx(
    *, link: str, domains: Sequence[str], pointer: str, upstream: str, listen: Sequence[int],
    addresses: Sequence[str] = (), proxy_protocol: bool = False, resolvers: Sequence[str] = (),
) -> str:  # fmt: skip
    """A server block that forwards every click, with the Host header kept.

    Port 80 forwards too: mails sent long ago hold http links, and a redirect that is cached is hard to undo
    (proxies.md 1.3). The upstream is a variable where there is a resolver: a static name that cannot be resolved keeps
    nginx from starting or reloading at all, and one that can is never looked up again.

    Args:
        upstream: The e-mail service, such as ``https://sendgrid.net``.
        listen: The plain port and the TLS port.
        addresses: Where to listen; empty: everywhere.

    Raises:
        UsageError: the link has no e-mail service to forward to.
    """
    if not upstream:
        raise UsageError(
            f"{link}: no e-mail service to forward to", hint='set esp of the link, such as esp = "sendgrid"'
        )
    if len(listen) != 2:
        raise UsageError("listen of the proxy must be the plain port and the TLS port, such as [80, 443]")
    parts = urlsplit(upstream)
    accept = " proxy_protocol" if proxy_protocol else ""
    places = [f"{address}:" for address in addresses] or ["", "[::]:"]
    lines = [f"# {link}: written by `certd proxy-config`; include it in nginx's http block.", "server {"]
    for place in places:
        lines.append(f"    listen {place}{listen[0]}{accept};")
        lines.append(f"    listen {place}{listen[1]} ssl{accept};")
    lines += [
        f"    server_name {' '.join(domains)};",
        "",
        "    # The certificate lines; certd replaces this file and reloads nginx.",
        f"    include {pointer};",
        "    ssl_protocols TLSv1.2 TLSv1.3;",
        "",
        "    location / {",
    ]
    if resolvers and not _is_address(parts.hostname or ""):
        lines += [
            f"        resolver {' '.join(resolvers)} valid=60s;",
            f"        set $certd_upstream {parts.netloc};",
            f"        proxy_pass {parts.scheme}://$certd_upstream;",
        ]
    else:
        lines.append(f"        proxy_pass {parts.scheme}://{parts.netloc};")
    lines += [
        '        # Without the link\'s own name the e-mail service answers "Bad Hostname in Link".',
        "        proxy_set_header Host $host;",
        "        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "        proxy_set_header X-Forwarded-Proto $scheme;",
        "        proxy_http_version 1.1;",
        '        proxy_set_header Connection "";',
    ]
    if parts.scheme == "https":
        lines += ["        proxy_ssl_server_name on;", f"        proxy_ssl_name {parts.hostname};"]
    lines += ["    }", "}"]
    return "\n".join(lines) + "\n"


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()

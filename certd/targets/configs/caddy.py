"""Caddy: two sites, since Caddy would redirect http by itself, and the Host header said: Caddy 2.11 replaces it for TLS
upstreams (proxies.md 3.3).
"""

from __future__ import annotations

from certd.targets.configs.site import Site


def caddy(site: Site) -> str:
    """For a Caddyfile. Raises UsageError."""
    site = site.checked()
    plain, tls = site.listen
    bind = [f"    bind {' '.join(site.addresses)}"] if site.addresses else []
    http = ", ".join(f"http://{domain}:{plain}" for domain in site.domains)
    https = ", ".join(f"https://{domain}:{tls}" for domain in site.domains)
    lines = [
        f"# {site.link}: written by `certd proxy-config`; import it in the Caddyfile.",
        f"(certd_{site.label}) {{",
        f"    reverse_proxy {site.parts.scheme}://{site.parts.netloc} {{",
        '        # Without the link\'s own name the e-mail service answers "Bad Hostname in Link".',
        "        header_up Host {host}",
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

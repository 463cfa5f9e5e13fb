"""Apache httpd. With ``ProxyPreserveHost`` it takes the client's Host for SNI and for the peer's name, too, so a TLS
upstream's name cannot be checked: the e-mail service is asked by plain HTTP, as SendGrid's documentation allows, or its
chain alone is verified (proxies.md 5.4).
"""

from __future__ import annotations

from certd.targets.configs.site import Site


def apache(site: Site) -> str:
    """Two virtual hosts. Raises UsageError."""
    site = site.checked()
    plain, tls = site.listen
    places = site.addresses or ("*",)
    first, *others = (domain for domain in site.domains)
    names = [f"    ServerName {first}", *(f"    ServerAlias {other}" for other in others)]
    forward = [
        "    # Paths of tracked links pass byte for byte.",
        "    AllowEncodedSlashes NoDecode",
        "    MergeSlashes Off",
        '    # Without the link\'s own name the e-mail service answers "Bad Hostname in Link".',
        "    ProxyPreserveHost On",
        f"    ProxyPass / {site.parts.scheme}://{site.parts.netloc}/ nocanon",
        *(["    RemoteIPProxyProtocol On"] if site.proxy_protocol else []),
    ]
    upstream_tls = [
        "    SSLProxyEngine on",
        "    SSLProxyVerify require",
        "    SSLProxyCACertificateFile /etc/ssl/certs/ca-certificates.crt",
        "    # Apache would look for the link's name in the e-mail service's certificate.",
        "    SSLProxyCheckPeerName off",
    ]
    lines = [
        f"# {site.link}: written by `certd proxy-config`; needs mod_ssl, mod_proxy, mod_proxy_http and mod_headers.",
        f"<VirtualHost {' '.join(f'{place}:{plain}' for place in places)}>",
        *names,
        *forward,
        *(upstream_tls if site.is_tls else []),
        "    RequestHeader set X-Forwarded-Proto http",
        "</VirtualHost>",
        "",
        f"<VirtualHost {' '.join(f'{place}:{tls}' for place in places)}>",
        *names,
        "    SSLEngine on",
        "    SSLProtocol -all +TLSv1.2 +TLSv1.3",
        "    # The certificate's lines; certd replaces this file and reloads Apache.",
        f"    Include {site.pointer}",
        *forward,
        *(upstream_tls if site.is_tls else []),
        "    RequestHeader set X-Forwarded-Proto https",
        "</VirtualHost>",
    ]
    return "\n".join(lines) + "\n"

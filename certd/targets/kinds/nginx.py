"""nginx: one server block that forwards every click, with the Host header kept.

Port 80 forwards too: mails sent long ago hold http links, and a redirect that is cached is hard to undo. The upstream
is a variable where there is a resolver: a static name that cannot be resolved keeps nginx from starting or reloading
at all, and one that can is never looked up again. ``proxy_pass`` has no path, so that nginx forwards the request's
own, byte for byte.
"""

from __future__ import annotations

from certd.targets.kind import ProxyKind
from certd.targets.pointers import Pointer, Source
from certd.targets.site import HEADER_KIB, Site


def configuration(site: Site) -> str:
    """For a certificate that is loaded with the configuration. Raises UsageError."""
    words = "    # The certificate lines; certd replaces this file and reloads nginx."
    return server_block(site, [words, f"    include {site.pointer};"])


def server_block(site: Site, certificate: list[str]) -> str:
    """One link's block with these lines for its certificate. Raises UsageError."""
    site = site.checked()
    accept = " proxy_protocol" if site.proxy_protocol else ""
    places = [f"{address}:" for address in site.addresses] or ["", "[::]:"]
    lines = [f"# {site.link}: written by `certd proxy-config`; include it in nginx's http block.", "server {"]
    for place in places:
        lines.append(f"    listen {place}{site.listen[0]}{accept};")
        lines.append(f"    listen {place}{site.listen[1]} ssl{accept};")
    lines += [
        f"    server_name {' '.join(site.domains)};",
        "",
        *certificate,
        "    ssl_protocols TLSv1.2 TLSv1.3;",
        "    merge_slashes off;",
        f"    large_client_header_buffers 4 {HEADER_KIB}k;",
        "    client_max_body_size 10m;",
        "",
        *(line for path, file in site.local_files.items() for line in _local(path, file)),
        "    location / {",
    ]
    if site.resolvers and not site.is_address:
        lines += [
            f"        resolver {' '.join(site.resolvers)};",
            "        resolver_timeout 5s;",
            f"        set $certd_upstream {site.parts.netloc};",
            f"        proxy_pass {site.parts.scheme}://$certd_upstream;",
        ]
    else:
        lines.append(f"        proxy_pass {site.parts.scheme}://{site.parts.netloc};")
    lines += [
        '        # Without the link\'s own name the e-mail service answers "Bad Hostname in Link".',
        "        proxy_set_header Host $host;",
        *(["        proxy_set_header X-Forwarded-Host $host;"] if site.forwarded_host else []),
        "        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "        proxy_set_header X-Forwarded-Proto $scheme;",
        "        proxy_http_version 1.1;",
        '        proxy_set_header Connection "";',
        "        # Every click is one person's: nothing is kept, repeated, followed or rewritten.",
        "        proxy_cache off;",
        "        proxy_redirect off;",
        "        proxy_intercept_errors off;",
        "        proxy_connect_timeout 5s;",
        "        proxy_read_timeout 30s;",
        f"        proxy_buffer_size {HEADER_KIB}k;",
        f"        proxy_buffers 4 {HEADER_KIB}k;",
        f"        proxy_busy_buffers_size {2 * HEADER_KIB}k;",
    ]
    if site.is_tls:
        lines += [
            "        proxy_ssl_server_name on;",
            f"        proxy_ssl_name {site.host};",
            "        proxy_ssl_verify on;",
            "        proxy_ssl_verify_depth 5;",
            f"        proxy_ssl_trusted_certificate {site.ca_file};",
        ]
    lines += ["    }", "}"]
    return "\n".join(lines) + "\n"


def _local(path: str, file: str) -> list[str]:
    return [
        "    # For app links; neither forwarded nor redirected.",
        f"    location = {path} {{",
        f"        alias {file};",
        "        types {}",
        "        default_type application/json;",
        "    }",
    ]


def _pointer(source: Source) -> str:
    return f'ssl_certificate "{source.folder}/fullchain.pem";\nssl_certificate_key "{source.folder}/privkey.pem";\n'


KIND = ProxyKind(
    name="nginx",
    programs=("nginx",),
    check=("nginx", "-t", "-q"),
    unit="nginx.service",
    pid_file="/run/nginx.pid",
    pointer=Pointer(suffix=".conf", body=_pointer),
    includes_pointer=True,
    configuration=configuration,
    needs_resolvers=True,
    certbot_plugin="nginx",
    is_reloaded_by_hooks=True,
    site_folder="/etc/nginx/conf.d",
)

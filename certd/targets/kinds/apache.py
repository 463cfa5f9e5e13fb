"""Apache httpd. With ``ProxyPreserveHost`` it takes the client's Host for SNI and for the peer's name, too, so a TLS
upstream's name cannot be checked. Where the e-mail service takes clicks by plain HTTP by its own
documentation, it is asked so; else its chain alone is verified, and the configuration says it.
"""

from __future__ import annotations

from certd.targets.kind import ProxyKind
from certd.targets.pointers import Pointer, Source
from certd.targets.site import HEADER_KIB, Site

HEADER_BYTES = HEADER_KIB * 1024


def configuration(site: Site) -> str:
    """Two virtual hosts. Raises UsageError."""
    site = site.checked()
    plain, tls = site.listen
    places = site.addresses or ("*",)
    first, *others = (domain for domain in site.domains)
    is_tls = site.is_tls and not site.may_be_plain
    netloc = site.parts.netloc if is_tls or not site.is_tls else site.host
    names = [f"    ServerName {first}", *(f"    ServerAlias {other}" for other in others)]
    forward = [
        "    # Paths of tracked links pass byte for byte.",
        "    AllowEncodedSlashes NoDecode",
        "    MergeSlashes Off",
        '    # Without the link\'s own name the e-mail service answers "Bad Hostname in Link".',
        "    ProxyPreserveHost On",
        *(line for path, file in site.local_files.items() for line in _local(path, file)),
        # disablereuse has the name looked up again for each connection.
        f"    ProxyPass / {'https' if is_tls else 'http'}://{netloc}/ nocanon disablereuse=On connectiontimeout=5"
        f" timeout=30 responsefieldsize={HEADER_BYTES}",
        *(["    RemoteIPProxyProtocol On"] if site.proxy_protocol else []),
    ]
    limits = [
        "    # Tracked links are long.",
        f"    LimitRequestLine {HEADER_BYTES}",
        f"    LimitRequestFieldSize {HEADER_BYTES}",
    ]
    why_plain = [
        "    # By plain HTTP: Apache could not check the name of a TLS upstream, and this service takes plain clicks.",
    ]
    upstream_tls = [
        "    SSLProxyEngine on",
        "    SSLProxyVerify require",
        f"    SSLProxyCACertificateFile {site.ca_file}",
        "    # Apache would look for the link's name in the e-mail service's certificate; its chain alone is verified.",
        "    SSLProxyCheckPeerName off",
    ]
    lines = [
        f"# {site.link}: written by `certd proxy-config`; needs mod_ssl, mod_proxy, mod_proxy_http and mod_headers,",
        "# with association files mod_alias, with the PROXY protocol mod_remoteip.",
        f"<VirtualHost {' '.join(f'{place}:{plain}' for place in places)}>",
        *names,
        *limits,
        *forward,
        *(upstream_tls if is_tls else why_plain if site.is_tls else []),
        "    RequestHeader set X-Forwarded-Proto http",
        "</VirtualHost>",
        "",
        f"<VirtualHost {' '.join(f'{place}:{tls}' for place in places)}>",
        *names,
        "    SSLEngine on",
        "    SSLProtocol -all +TLSv1.2 +TLSv1.3",
        "    # The certificate's lines; certd replaces this file and reloads Apache.",
        f"    Include {site.pointer}",
        *limits,
        *forward,
        *(upstream_tls if is_tls else why_plain if site.is_tls else []),
        "    RequestHeader set X-Forwarded-Proto https",
        "</VirtualHost>",
    ]
    return "\n".join(lines) + "\n"


def _local(path: str, file: str) -> list[str]:
    folder = file.rpartition("/")[0] or "/"
    return [
        "    # For app links; neither forwarded nor redirected.",
        f"    ProxyPass {path} !",
        f"    Alias {path} {file}",
        f"    <Directory {folder}>",
        "        Require all granted",
        "    </Directory>",
        f"    <Location {path}>",
        "        ForceType application/json",
        "    </Location>",
    ]


def _pointer(source: Source) -> str:
    return f'SSLCertificateFile "{source.folder}/fullchain.pem"\nSSLCertificateKeyFile "{source.folder}/privkey.pem"\n'


KIND = ProxyKind(
    name="apache",
    programs=("apache2", "httpd"),
    # Its check calls a pair that does not match "Syntax OK", but it knows a missing file and a stranger's mistake.
    check=("apache2ctl", "-t"),
    unit="apache2.service",
    pid_file="/run/apache2/apache2.pid",
    signal="USR1",
    pointer=Pointer(suffix=".conf", body=_pointer),
    includes_pointer=True,
    configuration=configuration,
    certbot_plugin="apache",
    is_reloaded_by_hooks=True,
)

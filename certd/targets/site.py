"""What a proxy's configuration for one link is written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from certd.errors import UsageError

ASSOCIATION_PATHS = {
    "/apple-app-site-association": "apple",
    "/.well-known/apple-app-site-association": "apple",
    "/.well-known/assetlinks.json": "android",
}

# What one request line or header may hold: tracked links of several kilobytes are common.
HEADER_KIB = 32

DEFAULT_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One link on one proxy.

    Attributes:
        pointer: The file that certd replaces, as the proxy sees it.
        folder: Where the pointers of this proxy lie, as the proxy sees it.
        upstream: The e-mail service, such as ``https://sendgrid.net``.
        listen: The plain port and the TLS port.
        addresses: Where to listen; empty: everywhere.
        resolvers: Name servers by which the proxy looks the e-mail service up again, where it wants them said.
        associations: ``apple`` and ``android``: files that the proxy serves itself, for app links.
        ca_file: Trust anchors for the e-mail service's own certificate, where the proxy wants them said.
        may_be_plain: The e-mail service takes clicks by plain HTTP, too.
        forwarded_host: The e-mail service wants ``X-Forwarded-Host``.
    """

    link: str
    domains: tuple[str, ...]
    pointer: str
    folder: str
    upstream: str
    listen: tuple[int, ...]
    addresses: tuple[str, ...] = ()
    proxy_protocol: bool = False
    resolvers: tuple[str, ...] = ()
    associations: Mapping[str, str] = field(default_factory=dict)
    ca_file: str = DEFAULT_BUNDLE
    may_be_plain: bool = False
    forwarded_host: bool = False

    def checked(self) -> Site:
        """Itself.

        Raises:
            UsageError: the link has no e-mail service to forward to, or there are not two ports.
        """
        if not self.upstream:
            raise UsageError(
                f"{self.link}: no e-mail service to forward to", hint='set esp of the link, such as esp = "sendgrid"'
            )
        if len(self.listen) != 2:
            raise UsageError("listen of the proxy must be the plain port and the TLS port, such as [80, 443]")
        return self

    @property
    def parts(self) -> SplitResult:
        """The e-mail service's URL."""
        return urlsplit(self.upstream)

    @property
    def host(self) -> str:
        """Its host."""
        return self.parts.hostname or ""

    @property
    def port(self) -> int:
        """Its port."""
        return self.parts.port or (443 if self.is_tls else 80)

    @property
    def is_tls(self) -> bool:
        """Whether it is spoken to by HTTPS."""
        return self.parts.scheme == "https"

    @property
    def is_address(self) -> bool:
        """Whether its host is an address, which needs no looking up."""
        return ":" in self.host or self.host.replace(".", "").isdigit()

    @property
    def label(self) -> str:
        """The link as a word that every proxy takes for a name."""
        return "".join(letter if letter.isalnum() else "_" for letter in self.link)

    @property
    def local_files(self) -> dict[str, str]:
        """Path on the link host -> file, for app links: Apple asks at two places, Google at one."""
        return {
            path: self.associations[platform]
            for path, platform in ASSOCIATION_PATHS.items()
            if platform in self.associations
        }

"""nginx that loads certificates at each handshake, by the name asked for: nothing is reloaded."""

from __future__ import annotations

from certd.errors import UsageError
from certd.targets.kind import ProxyKind
from certd.targets.kinds.nginx import server_block
from certd.targets.pointers import Pointer, plain
from certd.targets.site import Site


def configuration(site: Site) -> str:
    """For certificates that are loaded at each handshake: one block may serve thousands of links. Raises UsageError."""
    wild = next((domain for domain in site.domains if domain.startswith("*.")), "")
    if wild:
        raise UsageError(f"{site.link}: nginx finds the file by the name asked for; {wild} has no such file")
    certificate = [
        "    # Loaded at each handshake by the name asked for; no reload. The workers' user must be in the group that",
        "    # may read them. More links: add their names above, or write server_name ~.; for all of them.",
        f"    ssl_certificate {site.folder}/names/$ssl_server_name.pem;",
        f"    ssl_certificate_key {site.folder}/names/$ssl_server_name.pem;",
    ]
    return server_block(site, certificate)


KIND = ProxyKind(
    name="nginx-variable",
    # Who has nginx begins with the kind "nginx".
    programs=(),
    check=(),
    watches=True,
    reads_as_user=True,
    pointer=Pointer(suffix=".path", body=plain, by_name=True),
    configuration=configuration,
    needs_resolvers=True,
)

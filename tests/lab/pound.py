"""A kind of proxy that certd does not know, as whoever adds it writes it: tests plant this file among certd's kinds."""

from __future__ import annotations

from certd.targets.kind import ProxyKind
from certd.targets.pointers import Pointer, Source
from certd.targets.site import Site


def configuration(site: Site) -> str:
    """A frontend that reads certd's folder. Raises UsageError."""
    site = site.checked()
    return f'# {site.link}\npem-dir = "{site.folder}"\nbackend = "[{site.host}]:{site.port}"\n'


def _pointer(source: Source) -> str:
    return source.read("combined.pem")


KIND = ProxyKind(
    name="pound",
    programs=("pound",),
    check=("pound", "--test", "--config=/etc/pound/pound.conf"),
    unit="pound.service",
    pid_file="/run/pound/pound.pid",
    pointer=Pointer(suffix=".pem", body=_pointer),
    configuration=configuration,
    is_reloaded_by_hooks=True,
)

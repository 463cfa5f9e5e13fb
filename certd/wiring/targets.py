"""The proxies of a configuration as targets."""

from __future__ import annotations

import grp
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from certd.config.settings import ProxySettings
from certd.errors import CertdError
from certd.store.provider_ids import Remotes
from certd.targets.factory import make_target
from certd.targets.files_target import FilesTarget

if TYPE_CHECKING:
    from certd.system.egress import Egress

DEFAULT_GROUP = "certd-read"


def target_of(
    proxy: ProxySettings, public: Path, egress: Callable[[], Egress], names: Callable[[], Remotes]
) -> FilesTarget:
    """The target of a proxy's settings. Raises CertdError."""
    importing = None
    if proxy.acm is not None:
        acm = importlib.import_module("certd.targets.acm")
        importing = acm.AcmImport(proxy.name, proxy.acm, names(), egress, proxy.deadline)
    return make_target(
        name=proxy.name,
        kind=proxy.kind,
        reload=proxy.reload,
        check=proxy.check,
        endpoints=proxy.endpoints,
        paths=proxy.paths,
        path_map=proxy.map,
        public=public,
        group=group_of(proxy),
        egress=egress,
        deadline=proxy.deadline,
        importing=importing,
    )


def group_of(proxy: ProxySettings) -> int | None:
    """The group that may read what is published; None: nobody but whoever runs certd.

    Raises:
        CertdError: the configuration names one that does not exist.
    """
    if proxy.group.isdigit():
        return int(proxy.group)
    try:
        return grp.getgrnam(proxy.group or DEFAULT_GROUP).gr_gid
    except KeyError:
        if proxy.group:
            raise CertdError(
                f"proxy.{proxy.name}.group: there is no group {proxy.group}", hint=f"groupadd --system {proxy.group}"
            ) from None
        return None

"""The proxies of a configuration as targets."""

from __future__ import annotations

import grp
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from certd.config.settings import ProxySettings
from certd.errors import CertdError
from certd.model import Secret
from certd.ports import RemoteMemory
from certd.targets.factory import make_target
from certd.targets.files_target import FilesTarget
from certd.targets.registry import KINDS
from certd.targets.remote import Remote
from certd.targets.upload import Upload

if TYPE_CHECKING:
    from certd.system.egress import Egress

DEFAULT_GROUP = "certd-read"


def target_of(
    proxy: ProxySettings,
    public: Path,
    egress: Callable[[], Egress],
    memory: Callable[[str, str], RemoteMemory],
    secret: Callable[[str], Secret],
) -> FilesTarget:
    """The target of a proxy's settings. Raises CertdError.

    Args:
        memory: What is remembered of a proxy and a link at a provider.
    """
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
        upload=_upload(proxy, egress, memory, secret),
    )


def _upload(
    proxy: ProxySettings,
    egress: Callable[[], Egress],
    memory: Callable[[str, str], RemoteMemory],
    secret: Callable[[str], Secret],
) -> Upload | None:
    """How certificates get to a provider; None for a proxy that reads files."""

    def remembered(link: str) -> RemoteMemory:
        return memory(proxy.name, link)

    if (amazon := proxy.acm) is not None:

        def acm() -> Remote:
            made: Remote = importlib.import_module("certd.targets.acm").build(
                proxy.name, amazon, egress(), proxy.deadline
            )
            return made

        return Upload(acm, remembered, proxy.deadline)
    rules = KINDS[proxy.kind].remote if proxy.kind in KINDS else None
    if rules is None or (settings := proxy.remote) is None:
        return None

    def remote() -> Remote:
        means = importlib.import_module("certd.targets.remotes.api").RemoteMeans(
            proxy=proxy.name,
            kind=proxy.kind,
            settings=settings,
            token=lambda: secret(settings.token),
            egress=egress(),
            deadline=proxy.deadline,
        )
        made: Remote = importlib.import_module(rules.module).build(means)
        return made

    return Upload(remote, remembered, proxy.deadline)


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

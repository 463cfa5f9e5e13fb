"""The proxies of a configuration as targets."""

from __future__ import annotations

import grp
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from certd.config.settings import ProxySettings
from certd.errors import TargetError
from certd.model import Secret
from certd.ports import ProxyTarget
from certd.store.provider_ids import Remotes
from certd.targets.api_target import ApiTarget
from certd.targets.factory import make_target
from certd.targets.kind import RemoteMeans
from certd.targets.registry import KINDS

if TYPE_CHECKING:
    from certd.system.egress import Egress

DEFAULT_GROUP = "certd-read"


def target_of(
    proxy: ProxySettings,
    public: Path,
    egress: Callable[[], Egress],
    remotes: Callable[[], Remotes],
    secret: Callable[[str], Secret],
) -> ProxyTarget:
    """The target of a proxy's settings."""
    rules = KINDS[proxy.kind].remote
    files = make_target(
        name=proxy.name,
        kind=proxy.kind,
        reload="none" if rules is not None else proxy.reload,
        check=proxy.check,
        endpoints=proxy.endpoints,
        paths=proxy.paths,
        path_map=proxy.map,
        public=public,
        find_group=lambda: group_of(proxy),
        egress=egress,
        deadline=proxy.deadline,
    )
    settings = proxy.acm or proxy.remote
    if rules is None or settings is None:
        # An orphan's preset stands in no file any more: what lies on this node is all that can be handled.
        return files
    means = RemoteMeans(
        proxy=proxy.name, settings=settings, egress=egress, deadline=proxy.deadline, kind=proxy.kind, secret=secret
    )
    return ApiTarget(
        files=files,
        connect=partial(rules.connect, means),
        remotes=remotes,
        write_side=partial(rules.own_side, means),
        deadline=proxy.deadline,
        settles=rules.settles,
        least_left=rules.least_left,
    )


def group_of(proxy: ProxySettings) -> int | None:
    """The group that may read what is published; None: nobody but whoever runs certd.

    Raises:
        TargetError: the configuration names one that does not exist.
    """
    if proxy.group.isdigit():
        return int(proxy.group)
    try:
        return grp.getgrnam(proxy.group or DEFAULT_GROUP).gr_gid
    except KeyError:
        if proxy.group:
            raise TargetError(
                f"proxy.{proxy.name}.group: there is no group {proxy.group}", hint=f"groupadd --system {proxy.group}"
            ) from None
        return None

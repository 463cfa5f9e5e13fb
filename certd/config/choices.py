"""The words that the adapters know, for the configuration to judge by without importing them."""

from __future__ import annotations

from certd.acme.directories import DIRECTORIES
from certd.config.files import Choices
from certd.config.settings import IssuerSettings
from certd.dns.registry import check_provider
from certd.system.endpoint import split_endpoint
from certd.targets.kind import RemoteRules
from certd.targets.registry import KINDS, wrong_with_kind
from certd.targets.reload_syntax import reload_mistake


def known_choices() -> Choices:
    """The words that the adapters know."""
    return Choices(
        issuers={
            name: IssuerSettings(
                name=name,
                directory=known.url,
                allowed_hosts=known.allowed_hosts,
                roots_are_public=known.roots_are_public,
                pause_after_failed_validation=known.pause_after_failed_validation,
                weekly_same_names=known.weekly_same_names,
                needs_binding=known.needs_binding,
                staging=known.staging,
                limits=known.limits,
            )
            for name, known in DIRECTORIES.items()
        },
        kinds=tuple(KINDS),
        check_kind=wrong_with_kind,
        check_dns=check_provider,
        check_reload=reload_mistake,
        check_endpoint=_wrong_with_endpoint,
        remote_rules=_remote_rules,
    )


def _remote_rules(kind: str) -> RemoteRules | None:
    rules = KINDS[kind].remote if kind in KINDS and not wrong_with_kind(kind) else None
    # Amazon's rules depend on its own table (``certd.config.amazon``).
    return rules if rules is not None and rules.key_types else None


def _wrong_with_endpoint(text: str) -> str:
    try:
        split_endpoint(text)
    except ValueError as error:
        return str(error)
    return ""

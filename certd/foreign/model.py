"""What another client's folder holds: certificates, accounts, and how it renewed them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from certd.errors import CertdError
from certd.model import Secret
from certd.system.endpoint import wrong_with_url
from certd.system.regular_file import open_regular

MOST_BYTES = 1024 * 1024

# What a file of another client's that is damaged raises: one problem in the list, and the other files go on.
DAMAGED = (CertdError, ValueError, RecursionError)

# Let's Encrypt ended ACMEv1 on 2021-06-01; https://letsencrypt.org/docs/acme-protocol-updates/.
SUCCESSORS = {
    "https://acme-v01.api.letsencrypt.org/directory": "https://acme-v02.api.letsencrypt.org/directory",
    "https://acme-staging.api.letsencrypt.org/directory": "https://acme-staging-v02.api.letsencrypt.org/directory",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsWay:
    """A ``[dns.NAME]`` table.

    Attributes:
        members: Its members as TOML values: text, or a list of texts.
        secrets: Files that it names and that do not exist yet, relative to the configuration: what belongs in them.
    """

    name: str
    members: Mapping[str, str | list[str]]
    secrets: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyNames:
    """By what the folders of other clients tell a kind of proxy that certd knows.

    Attributes:
        by_certbot_plugin: The kind by what certbot calls its installer.
        by_client: The kind by the client that is such a proxy itself.
        in_hooks: The kinds that hooks reload by their names.
    """

    by_certbot_plugin: Mapping[str, str] = field(default_factory=dict)
    by_client: Mapping[str, str] = field(default_factory=dict)
    in_hooks: Sequence[str] = ()

    def reloaded_by(self, hook: str) -> str:
        """The kind that a hook names, a longer name before one that may be a part of it; empty: none."""
        return next((kind for kind in sorted(self.in_hooks, key=len, reverse=True) if kind in hook), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignLineage:
    """A certificate and how it was renewed.

    Attributes:
        directory: Of the CA; empty where the folder does not say.
        key_type: In certd's words; empty where certd has no word for it.
        proxy: The kind of proxy that it was for, as far as the folder tells.
        reload: As ``proxy.NAME.reload`` has it; empty: the folder tells nothing.
        profile: The certificate profile that it was ordered by.
        notes: What could not be translated, in words: each needs somebody to do something.
    """

    name: str
    domains: tuple[str, ...]
    chain_pem: str
    key: Secret
    directory: str = ""
    key_type: str = ""
    reuse_key: bool = False
    preferred_chain: str = ""
    profile: str = ""
    dns: DnsWay | None = None
    proxy: str = ""
    reload: str | list[str] = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignAccount:
    """An account key with the URL that the CA gave it."""

    directory: str
    url: str
    key: Secret
    contact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A whole folder.

    Attributes:
        client: What made it, for sentences.
        problems: What could not be read, or is not taken over, in words; the rest is there.
        switch_off: How the other client is kept from renewing the same names.
    """

    client: str
    folder: Path
    lineages: tuple[ForeignLineage, ...]
    accounts: tuple[ForeignAccount, ...]
    problems: tuple[str, ...]
    switch_off: str


def text_of(path: Path) -> str:
    """A file's text, bounded. Raises CertdError."""
    try:
        with open_regular(path) as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CertdError(f"{path}: {error.strerror or error}") from error
    if len(data) > MOST_BYTES:
        raise CertdError(f"{path}: is larger than {MOST_BYTES} bytes")
    return data.decode("utf-8", errors="replace")


def problem(path: Path, error: Exception) -> str:
    """What is wrong with a file, in words."""
    if isinstance(error, CertdError):
        return str(error)
    words = "is nested too deeply" if isinstance(error, RecursionError) else f"cannot be read: {error}"
    return f"{path}: {words}"


def directory_in(path: Path, text: str) -> str:
    """The URL of a CA's directory as a file has it, or the one that took its place; empty where the file says none.
    Raises CertdError where it is no URL.
    """
    if text and (wrong := wrong_with_url(text)):
        raise CertdError(f"{path}: the CA's directory {wrong}")
    return SUCCESSORS.get(text.rstrip("/"), text)


def member(body: Any, *names: str) -> str:
    """A text deep in JSON; empty where there is none."""
    for name in names:
        body = body.get(name) if isinstance(body, dict) else None
    return body if isinstance(body, str) else ""

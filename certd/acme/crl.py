"""Fetching revocation lists: bounded, each one once for all links that share it, again when it is an hour old.

A certificate says where its list is, and an imported one may say anything. So certd asks public hosts, and those that
the configuration names for an issuer, and no other: not this machine, nor its network, nor a cloud's metadata service.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography import x509

from certd.errors import EgressFailed, GateRefused
from certd.pki.revocation import MOST_LIST, Suspect, read_list, suspects, why_revoked

if TYPE_CHECKING:
    from certd.system.egress import Egress

FRESH_SECONDS = 3000.0
DEADLINE_SECONDS = 30.0
MOST_KEPT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the lists say of a chain.

    Attributes:
        words: Why it must be replaced; empty where nothing is revoked.
        mark: SHA-256 of the revoked certificate.
        is_leaf: The leaf itself, or one above it.
        unknown: What could not be learned, each in a sentence.
    """

    words: str = ""
    mark: str = ""
    is_leaf: bool = True
    unknown: tuple[str, ...] = ()


class RevocationLists:
    """Safe to use from several threads.

    Args:
        own_hosts: Hosts that may be asked though they are not public: those of the configured issuers.
    """

    def __init__(
        self,
        egress: Callable[[], Egress],
        monotonic: Callable[[], float] = time.monotonic,
        own_hosts: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._egress = egress
        self._monotonic = monotonic
        self._own_hosts = own_hosts
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, bytes | str]] = OrderedDict()

    def look(self, chain_pem: str, roots: Sequence[x509.Certificate], now: datetime) -> Finding:
        """Whether something of a chain is revoked. What cannot be learned is no revocation: it is said.

        Raises:
            GateRefused: the chain cannot be read.
        """
        unknown = []
        for suspect in suspects(chain_pem, roots):
            try:
                words = self._judged(suspect, now)
            except (EgressFailed, GateRefused) as error:
                unknown.append(str(error))
                continue
            if words:
                return Finding(words=words, mark=suspect.mark, is_leaf=suspect.is_leaf)
        return Finding(unknown=tuple(unknown))

    def _judged(self, suspect: Suspect, now: datetime) -> str:
        """Of several lists the first that can be had counts."""
        trouble: EgressFailed | GateRefused | None = None
        for url in suspect.urls:
            try:
                found = read_list(self._fetched(url), suspect.issuer, now)
            except (EgressFailed, GateRefused) as error:
                trouble = type(error)(f"{url}: {error}", hint=error.hint)
                continue
            words = why_revoked(found, suspect.certificate)
            if not words:
                return ""
            what = "it is" if suspect.is_leaf else f"its intermediate {_name(suspect.certificate)} is"
            return f"{what} {words}, by {url}"
        if trouble is not None:
            raise trouble
        return ""

    def _fetched(self, url: str) -> bytes:
        """The list's body; a failure is remembered as long, so that a thousand links do not wait for it each."""
        with self._lock:
            at, known = self._kept.get(url, (0.0, ""))
            if known:
                # An intermediate's list is asked for by every leaf.
                self._kept.move_to_end(url)
        if known and self._monotonic() - at < FRESH_SECONDS:
            if isinstance(known, str):
                raise EgressFailed(known)
            return known
        fetched: bytes | str
        try:
            judge_host(url, self._own_hosts())
            answer = self._egress().send("GET", url, deadline=DEADLINE_SECONDS, most=MOST_LIST)
            fetched = answer.body if answer.status == 200 and answer.body else f"answers {answer.status}"
        except EgressFailed as error:
            fetched = str(error)
        with self._lock:
            self._kept[url] = (self._monotonic(), fetched)
            self._kept.move_to_end(url)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        if isinstance(fetched, str):
            raise EgressFailed(fetched)
        return fetched


def judge_host(url: str, own_hosts: Collection[str]) -> None:
    """Whether a list may be fetched there.

    Raises:
        EgressFailed: Its host is none of the configured ones, and an address of it is not public.
    """
    host = (urlsplit(url).hostname or "").lower()
    if host in own_hosts:
        return
    try:
        addresses = {str(each[4][0]) for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        # Whoever asks says it, or a proxy knows the name.
        return
    if inside := [each for each in sorted(addresses) if not ipaddress.ip_address(each.partition("%")[0]).is_global]:
        raise EgressFailed(
            f"certd does not ask {host}, which is not a public host ({inside[0]})",
            hint=f'if it is your CA\'s, add "{host}" to issuer.NAME.allowed_hosts',
        )


def _name(certificate: x509.Certificate) -> str:
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return f'"{common[0].value!s}"' if common else certificate.subject.rfc4514_string()

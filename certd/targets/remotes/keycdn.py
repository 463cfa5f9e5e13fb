"""A zone's custom certificate at KeyCDN (www.keycdn.com/api): two fields of the zone, replaced by one PUT.

There is no certificate object, no id and no status, so the handshake alone tells. A zone's answer may hold the private
key: nothing of it but its ``status`` and ``description`` is read, and those never where they hold PEM.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from cryptography.hazmat.primitives import serialization

from certd.model import Leftover
from certd.pki.chain import fingerprint_of, load_chain
from certd.targets.kind import RemoteMeans
from certd.targets.remote import Pair, Remote, RemoteMemory
from certd.targets.remotes.api import Answer, Api, side_of, text

URL = "https://api.keycdn.com"

# What the memory calls the certificate that the zone got last.
ROLE = "certificate"

# A larger body is refused (413).
MOST_BODY = 64 * 1024


@dataclass(frozen=True, slots=True)
class KeyCdnZone(Remote):
    """One zone, which holds one certificate."""

    means: RemoteMeans
    api: Api

    def hindrance(self) -> str:
        """See ``Remote``."""
        answer = self.api.send("GET", self._path)
        if not _is_success(answer):
            raise self._refusal("to read the zone", answer)
        return ""

    def remove(self, leftover: Leftover) -> bool:
        """A zone has one certificate: nothing is left over."""
        return True

    def bring(self, pair: Pair, memory: RemoteMemory) -> str:
        """See ``Remote``. The same PUT twice changes nothing, so a lost answer needs no search."""
        mark = fingerprint_of(load_chain(pair.leaf)[0].public_bytes(serialization.Encoding.DER))
        if memory.name(ROLE) == mark:
            return f"KeyCDN got it for zone {self.means.settings.zone}"
        fields: Mapping[str, str] = {
            "sslcert": "custom",
            "customsslcert": pair.leaf + pair.chain,
            "customsslkey": pair.key.reveal(),
        }
        body = urlencode(fields).encode()
        if len(body) > MOST_BODY:
            raise self.api.refused(f"the certificate of {pair.link}", "it is larger than 64 KB")
        answer = self.api.send("PUT", self._path, body, "application/x-www-form-urlencoded")
        if not _is_success(answer):
            raise self._refusal(f"the certificate of {pair.link}", answer)
        memory.keep(ROLE, mark)
        return f"uploaded to KeyCDN's zone {self.means.settings.zone}"

    @property
    def _path(self) -> str:
        return f"/zones/{self.means.settings.zone}.json"

    def _refusal(self, what: str, answer: Answer) -> Exception:
        hints = {
            403: "the API key may not change this zone",
            404: f"is it the zone's number? ({self.means.setting('zone')})",
            413: "the chain is too long for KeyCDN",
        }
        words = text(answer.body.get("description")) or f"status {answer.status}"
        hint = hints.get(answer.status, "")
        return self.api.refused(what, words, hint=hint, by_person=bool(hint))


# What is set at the CDN once.
OWN_SIDE = (
    "Zone alias: the link; DNS: a CNAME of the link to the zone's name.",
    "Origin: the e-mail service; forward the Host header (cachehostheader).",
    "Cache: off for the link; a cached redirect loses clicks.",
)


def own_side(means: RemoteMeans, link: str, domains: Sequence[str], memory: RemoteMemory) -> str:
    """For ``certd proxy-config``."""
    return side_of("KeyCDN", means.proxy, domains, OWN_SIDE)


def connect(means: RemoteMeans) -> KeyCdnZone:
    """Its client. Raises CertdError where the API key cannot be read."""
    # The key is the user's name; there is no password.
    credential = base64.b64encode(f"{means.secret(means.settings.token).reveal()}:".encode()).decode()
    headers = {"Authorization": f"Basic {credential}"}
    return KeyCdnZone(means, Api("KeyCDN", means.settings.api or URL, headers, means.egress(), means.deadline))


def _is_success(answer: Answer) -> bool:
    """KeyCDN says errors in a 200, too."""
    return answer.is_good and answer.body.get("status") == "success"

"""A zone's custom certificate at Cloudflare (developers.cloudflare.com/api/resources/custom_certificates).

A PATCH replaces without a gap: the old certificate goes when the new one is active. Its answer has another id, and the
old id is gone. So the id of each answer is remembered before anything else. Where an answer was lost the certificate is
found again by its hosts and its end. A repeated upload of the same certificate is refused (code 1220).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from certd.errors import TargetError
from certd.model import Leftover
from certd.model.remote import NEW
from certd.pki.chain import load_chain
from certd.targets.kind import RemoteMeans
from certd.targets.remote import Pair, Remote, RemoteMemory
from certd.targets.remotes.api import Answer, Api, id_of, side_of, text

URL = "https://api.cloudflare.com/client/v4"
ROLE = "certificate"
# The generation that the remembered certificate is of: Cloudflare gives no serial number back.
GENERATION = "generation"

# "Uploading": not expiring within 14 days of the upload (code 1206).
LEAST_LEFT = timedelta(days=14)

MOST_PAGES = 20
LIVING = frozenset({"active", "pending", "initializing"})

# What a person must change, with the way out.
BY_PERSON: Mapping[str, str] = {
    "1011": "custom certificates need the Business or Enterprise plan",
    "1212": "the zone has no room for another custom certificate: remove one, or buy more",
    "2005": "the zone has no room for another custom certificate: remove one, or buy more",
    "2103": "the zone in the configuration must be the zone of the link's names",
}
UPLOADED_ALREADY = "1220"

# OpenSSL writes it before an EC key; Cloudflare refuses a key that has it.
EC_PARAMETERS = re.compile(r"-----BEGIN EC PARAMETERS-----.*?-----END EC PARAMETERS-----\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CloudflareZone(Remote):
    """One zone."""

    means: RemoteMeans
    api: Api

    def hindrance(self) -> str:
        """See ``Remote``."""
        answer = self.api.send("GET", f"{self._path}?per_page=1")
        if not answer.is_good:
            raise self._refusal("to list certificates", answer)
        return ""

    def remove(self, leftover: Leftover) -> bool:
        """Nothing is left over at Cloudflare: a PATCH removes what it replaces."""
        return True

    def bring(self, pair: Pair, memory: RemoteMemory) -> str:
        """See ``Remote``."""
        end = load_chain(pair.leaf)[0].not_valid_after_utc
        if end - datetime.now(UTC) < LEAST_LEFT:
            raise TargetError(
                f"{pair.generation} ends on {end:%Y-%m-%d}; Cloudflare takes nothing that ends within 14 days",
                hint="renew earlier, or take a profile with a longer life",
            )
        said = self.means.settings.certificates.get(pair.link, "")
        known = memory.name(ROLE) or (said if said != NEW else "")
        held = self._held(known) if known else None
        if held is not None and memory.name(GENERATION) == pair.generation:
            return f"Cloudflare holds it as {known}"
        if held is None:
            held = self._found(pair, end, may_be_older=bool(memory.name(ROLE)), may_be_new=said == NEW)
            if held is not None and _is_same(held, pair, end):
                return self._remembered(pair, memory, str(held["id"]))
        body = {
            "certificate": pair.leaf + pair.chain,
            "private_key": EC_PARAMETERS.sub("", pair.key.reveal()),
            # Served exactly as it is given; else Cloudflare builds the chain from a store that may lag behind the CA.
            "bundle_method": "force",
        }
        if held is not None:
            answer = self.api.json("PATCH", f"{self._path}/{held['id']}", body)
        else:
            answer = self.api.json("POST", self._path, {**body, "type": "sni_custom"})
        if _code(answer) == UPLOADED_ALREADY:
            again = self._found(pair, end, may_be_older=False, may_be_new=False)
            if again is not None:
                return self._remembered(pair, memory, str(again["id"]))
        if not answer.is_good or not answer.body.get("success", True):
            raise self._refusal(f"the certificate of {pair.link}", answer)
        name = id_of(_result(answer).get("id"))
        if not name:
            raise self.api.refused(f"the certificate of {pair.link}", "its answer has no id")
        return self._remembered(pair, memory, name)

    @staticmethod
    def _remembered(pair: Pair, memory: RemoteMemory, name: str) -> str:
        memory.keep(ROLE, name)
        memory.keep(GENERATION, pair.generation)
        return f"Cloudflare holds it as {name}"

    @property
    def _path(self) -> str:
        return f"/zones/{self.means.settings.zone}/custom_certificates"

    def _held(self, name: str) -> Mapping[str, Any] | None:
        """What is there under a name; None where there is nothing any more."""
        answer = self.api.send("GET", f"{self._path}/{name}")
        if answer.is_good:
            found = _result(answer)
            # Its id is the one that was asked for, whatever the answer says.
            return {**found, "id": name} if text(found.get("status")) != "deleted" else None
        # Cloudflare answers a wrong id with 404, or with 400 and code 1002.
        if answer.status == 404 or _code(answer) == "1002":
            return None
        raise self._refusal("to read a certificate", answer)

    def _found(self, pair: Pair, end: datetime, *, may_be_older: bool, may_be_new: bool) -> Mapping[str, Any] | None:
        """The certificate of exactly these names that a lost answer has left, or that certd had under another id.

        Raises:
            TargetError: there is one for these names, and certd did not upload it.
        """
        same_names = [each for each in self._all() if _hosts(each) == frozenset(pair.names)]
        if found := next((each for each in same_names if _is_same(each, pair, end)), None):
            return found
        if len(same_names) == 1 and may_be_older:
            return same_names[0]
        if same_names and not may_be_new:
            name = id_of(same_names[0].get("id"))
            raise TargetError(
                f"the zone has a certificate for {pair.link} that certd did not upload ({name}); certd leaves it alone",
                hint=f'to let certd replace it: {self.means.setting("certificates")}."{pair.link}" = "{name}"',
            )
        return None

    def _all(self) -> Iterator[Mapping[str, Any]]:
        for page in range(1, MOST_PAGES + 1):
            answer = self.api.send("GET", f"{self._path}?page={page}&per_page=50")
            if not answer.is_good:
                raise self._refusal("to list certificates", answer)
            found = answer.body.get("result")
            rows = found if isinstance(found, list) else []
            yield from (
                row for row in rows if isinstance(row, dict) and id_of(row.get("id")) and row.get("status") in LIVING
            )
            if len(rows) < 50:
                return

    def _refusal(self, what: str, answer: Answer) -> Exception:
        if answer.status == 403:
            return self.api.refused(
                what,
                _words(answer),
                code=_code(answer),
                hint='the token needs the permission "SSL and Certificates: Edit" for this zone',
                by_person=True,
            )
        if answer.status == 404:
            return self.api.refused(
                what,
                _words(answer),
                hint=f"does the token see the zone? ({self.means.setting('zone')})",
                by_person=True,
            )
        code = _code(answer)
        return self.api.refused(
            what, _words(answer), code=code, hint=BY_PERSON.get(code, ""), by_person=code in BY_PERSON
        )


# What is set at the CDN once.
OWN_SIDE = (
    "DNS: the link is a proxied record (orange cloud) that leads to the e-mail service.",
    "SSL/TLS mode: Full, not Full (strict): the e-mail service has no certificate for the link's name.",
    "Cache: bypass for the link's host; a cached redirect loses clicks.",
    "Host header: Cloudflare keeps it; add no Origin Rule that changes it.",
)


def own_side(means: RemoteMeans, link: str, domains: Sequence[str], memory: RemoteMemory) -> str:
    """For ``certd proxy-config``."""
    return side_of("Cloudflare", means.proxy, domains, OWN_SIDE)


def connect(means: RemoteMeans) -> CloudflareZone:
    """Its client. Raises CertdError where the token cannot be read."""
    headers = {"Authorization": f"Bearer {means.secret(means.settings.token).reveal()}"}
    return CloudflareZone(means, Api("Cloudflare", means.settings.api or URL, headers, means.egress(), means.deadline))


def _result(answer: Answer) -> Mapping[str, Any]:
    found = answer.body.get("result")
    return found if isinstance(found, dict) else {}


def _errors(answer: Answer) -> list[Mapping[str, Any]]:
    found = answer.body.get("errors")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _code(answer: Answer) -> str:
    return next((str(each.get("code", "")) for each in _errors(answer)), "")


def _words(answer: Answer) -> str:
    return "; ".join(text(each.get("message")) for each in _errors(answer)) or f"status {answer.status}"


def _hosts(held: Mapping[str, Any]) -> frozenset[str]:
    found = held.get("hosts")
    return frozenset(str(host).lower() for host in found) if isinstance(found, list) else frozenset()


def _is_same(held: Mapping[str, Any], pair: Pair, end: datetime) -> bool:
    """Cloudflare gives no certificate back: its names and its end tell it."""
    try:
        ends = datetime.fromisoformat(text(held.get("expires_on")).replace("Z", "+00:00"))
    except ValueError:
        return False
    ends = ends if ends.tzinfo else ends.replace(tzinfo=UTC)
    return _hosts(held) == frozenset(pair.names) and abs(ends - end) < timedelta(seconds=1)

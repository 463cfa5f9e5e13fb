"""Custom TLS certificates at Fastly (www.fastly.com/documentation/reference/api/tls/custom-certs): a private key, a
certificate, and one activation for each domain.

A renewal uploads a new key and a new certificate beside the old ones, moves each activation by PATCH, and removes the
old certificate and then the old key after the handshake has proved the new one. Another order would turn TLS off.
Every object has the name ``certd LINK GENERATION``, by which it is found again where an answer was lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from certd.errors import TargetError
from certd.model import Leftover
from certd.targets.kind import RemoteMeans
from certd.targets.remote import Pair, Remote, RemoteMemory
from certd.targets.remotes.api import Answer, Api, id_of, side_of, text

URL = "https://api.fastly.com"
JSON_API = "application/vnd.api+json"

KEY, CERTIFICATE = "private_key", "certificate"
# What is uploaded and not activated everywhere yet; and the generation that this is about.
NEW_KEY, NEW_CERTIFICATE, BEGUN = "new_private_key", "new_certificate", "begun"

PATHS: Mapping[str, str] = {KEY: "/tls/private_keys", CERTIFICATE: "/tls/certificates"}
TYPES: Mapping[str, str] = {KEY: "tls_private_key", CERTIFICATE: "tls_certificate"}
MOST_PAGES = 50


@dataclass(frozen=True, slots=True)
class FastlyTls(Remote):
    """One account."""

    means: RemoteMeans
    api: Api

    def hindrance(self) -> str:
        """See ``Remote``."""
        self._good("to list certificates", self.api.send("GET", f"{PATHS[CERTIFICATE]}?page%5Bsize%5D=1"))
        return ""

    def remove(self, leftover: Leftover) -> bool:
        """See ``Remote``. Fastly refuses to delete what is in use."""
        answer = self.api.send("DELETE", f"{PATHS[leftover.role]}/{quote(leftover.name, safe='')}")
        if answer.is_good or answer.status == 404:
            return True
        if answer.status in {400, 409}:
            return False
        raise self._refusal(f"to remove {leftover.role} {leftover.name}", answer)

    def bring(self, pair: Pair, memory: RemoteMemory) -> str:
        """See ``Remote``."""
        if memory.name(BEGUN) != pair.generation:
            # In the order in which Fastly lets them be removed.
            for role in (NEW_CERTIFICATE, NEW_KEY):
                self._give_up(pair, memory, role)
            memory.keep(BEGUN, pair.generation)
            key = certificate = ""
        else:
            # Begun before: an answer may be lost.
            key = memory.name(NEW_KEY) or self._found(KEY, pair)
            certificate = memory.name(NEW_CERTIFICATE) or self._found(CERTIFICATE, pair)
        if not key:
            key = self._made(KEY, pair, {"key": pair.key.reveal(), "name": _name(pair)})
        memory.keep(NEW_KEY, key)
        if not certificate:
            certificate = self._made(CERTIFICATE, pair, {"cert_blob": pair.leaf + pair.chain, "name": _name(pair)})
        memory.keep(NEW_CERTIFICATE, certificate)
        for domain in pair.names:
            self._activate(domain, certificate, pair, memory)
        for role, name in ((CERTIFICATE, certificate), (KEY, key)):
            before = memory.name(role)
            if before not in {"", name}:
                memory.leave(Leftover(role=role, name=before, generation=pair.generation))
            memory.keep(role, name)
        return f"Fastly has certificate {certificate} active for {', '.join(pair.names)}"

    def _activate(self, domain: str, certificate: str, pair: Pair, memory: RemoteMemory) -> None:
        """One activation for each domain: made, or moved from certd's own certificate.

        Raises:
            TargetError: another certificate is active there, which certd did not upload.
        """
        answer = self._good(
            f"to read the activation of {domain}",
            self.api.send("GET", f"/tls/activations?filter%5Btls_domain.id%5D={quote(domain, safe='')}"),
        )
        active = {name: _related(row, CERTIFICATE) for row in _rows(answer) if (name := id_of(row.get("id")))}
        if certificate in active.values():
            return
        own = {memory.name(CERTIFICATE), self.means.settings.certificates.get(pair.link, "")} - {""}
        related = {"tls_certificate": {"data": {"type": "tls_certificate", "id": certificate}}}
        if not active:
            related["tls_domain"] = {"data": {"type": "tls_domain", "id": domain}}
            body = {"data": {"type": "tls_activation", "relationships": related}}
            self._good(f"to activate {domain}", self.api.json("POST", "/tls/activations", body))
            return
        activation, there = next(iter(active.items()))
        if there not in own:
            setting = f'{self.means.setting("certificates")}."{pair.link}" = "{there}"'
            raise TargetError(
                f"{domain} has certificate {there} active at Fastly, which certd did not upload; certd leaves it alone",
                hint=f"to let certd replace it: {setting}",
            )
        body = {"data": {"type": "tls_activation", "id": activation, "relationships": related}}
        self._good(f"to activate {domain}", self.api.json("PATCH", f"/tls/activations/{activation}", body))

    def _made(self, role: str, pair: Pair, attributes: Mapping[str, str]) -> str:
        body = {"data": {"type": TYPES[role], "attributes": attributes}}
        answer = self._good(f"the {role} of {pair.link}", self.api.json("POST", PATHS[role], body))
        data = answer.body.get("data")
        name = id_of(data.get("id")) if isinstance(data, dict) else ""
        if not name:
            raise self.api.refused(f"the {role} of {pair.link}", "its answer has no id")
        return name

    def _found(self, role: str, pair: Pair) -> str:
        """What a lost answer has made; empty where it made nothing."""
        return next((id_of(row.get("id")) for row in self._all(role) if _named(row) == _name(pair)), "")

    def _all(self, role: str) -> Iterator[Mapping[str, Any]]:
        for page in range(1, MOST_PAGES + 1):
            path = f"{PATHS[role]}?page%5Bnumber%5D={page}&page%5Bsize%5D=100"
            rows = _rows(self._good(f"to list {role}s", self.api.send("GET", path)))
            yield from rows
            if len(rows) < 100:
                return

    def _give_up(self, pair: Pair, memory: RemoteMemory, role: str) -> None:
        """What was uploaded for a generation that never became active is removed after this one is proved."""
        kind = KEY if role == NEW_KEY else CERTIFICATE
        name = memory.name(role)
        if name and name != memory.name(kind):
            memory.leave(Leftover(role=kind, name=name, generation=pair.generation))
        if name:
            memory.keep(role, "")

    def _good(self, what: str, answer: Answer) -> Answer:
        if not answer.is_good:
            raise self._refusal(what, answer)
        return answer

    def _refusal(self, what: str, answer: Answer) -> Exception:
        words = _words(answer)
        if answer.status == 403:
            return self.api.refused(
                what,
                words,
                hint="the token's user needs the permission TLS management, and own certificates need a paid account",
                by_person=True,
            )
        if "already been taken" in words:
            return self.api.refused(
                what,
                words,
                hint="a subscription of Fastly's own certificate holds the domain: delete that subscription first",
                by_person=True,
            )
        return self.api.refused(what, words, by_person=answer.status in {402, 404})


# What is set at the CDN once.
OWN_SIDE = (
    "Service: add the link as a domain, with the e-mail service as its origin, before the first upload.",
    "Origin: keep the Host header; do not verify the origin's certificate against the link's name.",
    "Cache: pass for the link's host; a cached redirect loses clicks.",
    "DNS: a CNAME of the link to the name that Fastly's TLS configuration shows.",
)


def own_side(means: RemoteMeans, link: str, domains: Sequence[str], memory: RemoteMemory) -> str:
    """For ``certd proxy-config``."""
    return side_of("Fastly", means.proxy, domains, OWN_SIDE)


def connect(means: RemoteMeans) -> FastlyTls:
    """Its client. Raises CertdError where the token cannot be read."""
    headers = {"Fastly-Key": means.secret(means.settings.token).reveal(), "Accept": JSON_API}
    return FastlyTls(means, Api("Fastly", means.settings.api or URL, headers, means.egress(), means.deadline, JSON_API))


def _name(pair: Pair) -> str:
    return f"certd {pair.link} {pair.generation}"


def _rows(answer: Answer) -> list[Mapping[str, Any]]:
    data = answer.body.get("data")
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def _named(row: Mapping[str, Any]) -> str:
    attributes = row.get("attributes")
    return text(attributes.get("name")) if isinstance(attributes, dict) else ""


def _related(row: Mapping[str, Any], role: str) -> str:
    related = row.get("relationships")
    one = related.get(TYPES[role]) if isinstance(related, dict) else None
    data = one.get("data") if isinstance(one, dict) else None
    return id_of(data.get("id")) if isinstance(data, dict) else ""


def _words(answer: Answer) -> str:
    found = answer.body.get("errors")
    errors = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    said = [text(each.get("detail")) or text(each.get("title")) for each in errors]
    return "; ".join(each for each in said if each) or text(answer.body.get("msg")) or f"status {answer.status}"

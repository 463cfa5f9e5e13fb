"""One issuer and our account with it, by RFC 8555: implements ``ports.CertificateAuthority``.

With the account known and a nonce at hand a certificate takes 7 requests: newOrder, authorization, challenge, the
order until it is ready, finalize, the order until it is valid, certificate. The order is polled, not each
authorization, so a further name costs two more.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from acme import messages
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from josepy import b64, json_util

from certd.acme.account import Registration
from certd.acme.messages import parse_authorization, parse_order, parse_renewal_info
from certd.acme.session import MOST_JSON, Session, Signer
from certd.errors import AcmeProblem, AcmeRequest, AcmeUnreachable
from certd.model import Authorization
from certd.pki.chain import is_preferred
from certd.planning.acme_errors import refusal_for
from certd.ports import OrderSeen, RenewalAdvice
from certd.system.egress import Response

MOST_CHAIN = 256 * 1024
MOST_CERTIFICATES = 10
MOST_ALTERNATES = 5

# What CAs answer to a signature by a key that is not the account's (any more).
SIGNATURE_REFUSED = {"malformed", "unauthorized"}

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def may_mind_replaces(problem: AcmeProblem) -> bool:
    """Whether the order may be what it minds. Pebble 2.10 answers 500 where the replaced serial's first octet in DER is
    a zero (one in 256): it looks it up without.
    """
    if problem.status == 500:
        return problem.type == "serverInternal"
    return 400 <= problem.status < 500 and problem.type not in {"rateLimited", "accountDoesNotExist"}


class NewOrder(messages.NewOrder):
    """The library's, with ``replaces`` (RFC 9773 section 5)."""

    replaces: str = json_util.field("replaces", omitempty=True)


@dataclass(frozen=True, slots=True)
class AcmeIssuer:
    """Safe to use from several threads.

    Args:
        session: The conversation with its directory.
        registration: Our account there.
    """

    session: Session
    registration: Registration

    @property
    def name(self) -> str:
        """The issuer's name in the configuration."""
        return self.session.name

    @property
    def offers_renewal_information(self) -> bool:
        """Whether its directory has ``renewalInfo``."""
        return bool(self.session.url_of("renewalInfo"))

    def caa(self) -> tuple[tuple[str, ...], str]:
        """From the directory's metadata."""
        identities = self.session.meta().get("caaIdentities", ())
        known = tuple(str(each) for each in identities) if isinstance(identities, list) else ()
        return known, (self.registration.signer().kid or "") if known else ""

    def account(self) -> str:
        """Found or made."""
        return self.registration.signer().kid or ""

    def account_has_ended(self) -> bool:
        """POST-as-GET of the account: one that has ended is refused ``unauthorized`` (RFC 8555 section 7.3.6)."""
        url = self.account()
        try:
            seen = self.session.read_json(self._post(lambda: url, b"", AcmeRequest.ACCOUNT))
        except AcmeProblem as problem:
            return refusal_for(problem).kind == "accountDeactivated"
        return seen.get("status") in {"deactivated", "revoked"}

    def replace_account(self, ended: str) -> None:
        """Its key signs nothing any more; the account that another one has made meanwhile stays."""
        known = self.registration.known()
        # Its URL is empty where the CA's refusal read as if it did not know it.
        if known is not None and known.url in {ended, ""}:
            self.registration.drop(known.key)
        else:
            self.registration.read_anew()

    def new_order(self, domains: Sequence[str], *, profile: str = "", replaces: str = "") -> OrderSeen:
        """POST newOrder; once more without ``replaces`` where the CA minds it."""
        offered = self.session.meta().get("profiles", {})
        if profile and (not isinstance(offered, dict) or profile not in offered):
            known = ", ".join(sorted(offered)) if isinstance(offered, dict) and offered else "none"
            raise AcmeProblem(
                type="invalidProfile",
                detail=f"profile {profile!r} is not offered; offered: {known}",
                status=400,
                request=AcmeRequest.NEW_ORDER,
                hint=f"change issuer.{self.name}.profile",
            )
        wanted = replaces if self.offers_renewal_information else ""
        try:
            return self._order(domains, profile, wanted)
        except AcmeProblem as problem:
            if not wanted or not may_mind_replaces(problem):
                raise
            return replace(self._order(domains, profile, ""), dropped=str(problem))

    def _order(self, domains: Sequence[str], profile: str, replaces: str) -> OrderSeen:
        identifiers = [messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=domain) for domain in domains]
        body = NewOrder(identifiers=identifiers, profile=profile or None, replaces=replaces or None)
        response = self._post(
            lambda: self.session.url_of("newOrder"), body.json_dumps().encode(), AcmeRequest.NEW_ORDER
        )
        url = response.headers.get("location", "")
        if not url:
            raise AcmeUnreachable(f"{self.name} made an order and did not say its URL")
        return self._seen(response, url)

    def read_order(self, url: str) -> OrderSeen:
        """POST-as-GET of the order. One at a host that is no longer the CA's is gone: its directory has moved."""
        if wrong := self.session.wrong_with(url)[0]:
            raise AcmeProblem(
                type="malformed",
                detail=f"{self.name} {wrong}: the order is from before the move",
                status=404,
                request=AcmeRequest.ORDER,
            )
        return self._seen(self._post(lambda: url, b"", AcmeRequest.ORDER), url)

    def read_authorization(self, url: str) -> Authorization:
        """POST-as-GET of an authorization."""
        body = self.session.read_json(self._post(lambda: url, b"", AcmeRequest.AUTHORIZATION))
        seen = parse_authorization(body, url=url, key=self.registration.signer().key, issuer=self.name)
        self._judge_urls(seen.challenge_url)
        return seen

    def answer(self, challenge_url: str) -> None:
        """POST ``{}``; a challenge that is no longer pending was answered before."""
        try:
            self._post(lambda: challenge_url, b"{}", AcmeRequest.CHALLENGE)
        except AcmeProblem as problem:
            # RFC 8555 does not say what a second answer gets: Boulder returns the challenge, others refuse.
            if problem.type != "malformed" or problem.status not in {400, 409}:
                raise

    def finalize(self, finalize_url: str, csr_der: bytes) -> OrderSeen:
        """POST finalize. The status of a refused one must be read from the order."""
        body = json.dumps({"csr": b64.b64encode(csr_der).decode()}).encode()
        try:
            response = self._post(lambda: finalize_url, body, AcmeRequest.FINALIZE)
        except AcmeProblem as problem:
            if problem.type != "orderNotReady":
                raise
            return OrderSeen(
                url="",
                status="processing",
                finalize_url=finalize_url,
                authorization_urls=(),
                expires=None,
                retry_after=problem.retry_after,
            )
        return self._seen(response, response.headers.get("location", ""))

    def collect(self, certificate_url: str, *, preferred_chain: str = "") -> str:
        """The chain, or the alternate that the operator prefers (RFC 8555 section 7.4.2)."""
        chains = self.chains(certificate_url)
        chain = next(chains)
        if not preferred_chain or is_preferred(chain, preferred_chain):
            return chain
        return next((other for other in chains if is_preferred(other, preferred_chain)), chain)

    def chains(self, certificate_url: str) -> Iterator[str]:
        """The default chain, then its alternates, each asked for when it is wanted (RFC 8555 section 7.4.2)."""
        response = self._post(lambda: certificate_url, b"", AcmeRequest.CERTIFICATE, most=MOST_CHAIN)
        yield self._chain(response)
        alternates = response.links.get("alternate", ())[:MOST_ALTERNATES]
        for url in (each for each in alternates if not self.session.wrong_with(each)[0]):
            # What cannot be had of the others takes nothing from the one at hand.
            with contextlib.suppress(AcmeProblem):
                yield self._chain(
                    self._post(
                        lambda url=url: url,  # type: ignore[misc]
                        b"",
                        AcmeRequest.CERTIFICATE,
                        most=MOST_CHAIN,
                    )
                )

    def renewal_information(self, ari_id: str) -> RenewalAdvice:
        """GET renewalInfo/<identifier>; nobody needs an account for it."""
        url = self.session.url_of("renewalInfo")
        if not url or not ari_id:
            raise AcmeProblem(type="unsupported", detail="no renewal information here", status=404)
        response = self.session.get(f"{url.rstrip('/')}/{ari_id}")
        return parse_renewal_info(self.session.read_json(response), response, issuer=self.name)

    def revoke(self, chain_pem: str, reason: int) -> None:
        """POST revokeCert; ``alreadyRevoked`` is fine."""
        der = x509.load_pem_x509_certificate(chain_pem.encode()).public_bytes(serialization.Encoding.DER)
        body = json.dumps({"certificate": b64.b64encode(der).decode(), "reason": reason}).encode()
        try:
            self._post(lambda: self.session.url_of("revokeCert"), body, AcmeRequest.REVOKE)
        except AcmeProblem as problem:
            if problem.type != "alreadyRevoked":
                raise

    def clock_ahead(self, *, no_older_than: timedelta | None = None) -> timedelta:
        """By its Date headers."""
        return self.session.clock_ahead(no_older_than=no_older_than)

    def close(self) -> None:
        """Shut idle connections."""
        self.session.close()

    # ------------------------------------------------------------------------------------ inside

    def _post(self, url: Callable[[], str], payload: bytes, request: AcmeRequest, *, most: int = MOST_JSON) -> Response:
        """Signed by our account; one that the CA does not know (a test server restarted, an account that was
        removed) is registered anew with the same key, once. A refused signature may be that of a key which another
        process has changed.
        """
        signer = self.registration.signer()
        try:
            return self.session.post(url(), payload, signer, most=most, request=request)
        except AcmeProblem as problem:
            if problem.type == "accountDoesNotExist":
                self.registration.forget(signer)
            elif problem.type not in SIGNATURE_REFUSED or not self.registration.has_changed(signer):
                raise
            again: Signer = self.registration.signer()
            return self.session.post(url(), payload, again, most=most, request=request)

    def _seen(self, response: Response, url: str) -> OrderSeen:
        body: dict[str, Any] = self.session.read_json(response)
        seen = parse_order(body, response, url=url, issuer=self.name)
        self._judge_urls(url, seen.finalize_url, *seen.authorization_urls, seen.certificate_url)
        return replace(seen, url=url)

    def _judge_urls(self, *urls: str) -> None:
        """One that leads elsewhere is a failure of its order: each try waits longer, and the CA's limits are kept.

        Raises:
            AcmeProblem: of a type that is not taken for a lost order.
        """
        for url in filter(None, urls):
            wrong, hint = self.session.wrong_with(url)
            if wrong:
                raise AcmeProblem(type="unsupported", detail=f"{self.name} {wrong}", hint=hint)

    def _chain(self, response: Response) -> str:
        text = response.body.decode("ascii", errors="replace")
        blocks = _BLOCK.findall(text)
        if not blocks or len(blocks) > MOST_CERTIFICATES:
            # About this order, which is kept for a while: others of this CA may well be had.
            detail = f"{self.name} answers {len(blocks)} certificates where a chain should be"
            raise AcmeProblem(
                type="serverInternal", detail=detail, status=response.status, request=AcmeRequest.CERTIFICATE
            )
        return "\n".join(blocks) + "\n"

"""The life of our account with a CA: what the CA knows of it, another key, its end.

A change of keys survives a crash at any point. The next key is in the store before ``keyChange`` is sent; after a crash
it is still there, and the CA, asked with ``onlyReturnExisting`` signed by it, says whether it took it. Only then is the
old key given up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from acme import jws
from josepy.jwk import JWK

from certd.acme.account import Registration
from certd.acme.account_keys import algorithm_of, as_jwk, kind_of, thumbprint
from certd.acme.session import Session, Signer
from certd.errors import AcmeProblem, AcmeRequest, CertdError
from certd.model import Secret
from certd.planning.acme_errors import refusal_for


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeen:
    """An account as the store has it and as the CA says it is.

    Attributes:
        status: valid, deactivated, revoked; "unknown" where the CA has none under this key; empty: not asked.
        is_changing: A change of its key began and is not known to have ended.
    """

    directory: str
    url: str
    key_kind: str
    thumbprint: str
    status: str = ""
    contact: tuple[str, ...] = ()
    is_changing: bool = False


@dataclass(frozen=True, slots=True)
class AccountAdmin:
    """Commands on the account of one issuer."""

    session: Session
    registration: Registration

    def look(self, *, ask: bool = True) -> AccountSeen | None:
        """The account, as the CA sees it where it is asked; None: certd has none there. Makes none.

        Raises:
            AcmeProblem, AcmeUnreachable.
        """
        known = self.registration.known()
        if known is None:
            return None
        key = as_jwk(known.key)
        body: Mapping[str, Any] = {}
        if ask and known.url:
            try:
                signer = self.registration.signer()
                key = signer.key
                body = self.session.read_json(self.session.post(known.url, b"", signer, request=AcmeRequest.ACCOUNT))
            except AcmeProblem as problem:
                body = {"status": _status_by(problem)}
        known = self.registration.known() or known
        contact = body.get("contact", ())
        return AccountSeen(
            directory=known.directory,
            url=known.url,
            key_kind=kind_of(key),
            thumbprint=thumbprint(key),
            status=str(body.get("status", "")),
            contact=tuple(map(str, contact)) if isinstance(contact, list) else (),
            is_changing=known.next_key is not None,
        )

    def roll_over(self) -> tuple[str, str]:
        """Give the account another key, or end a change that was begun.

        Returns:
            The thumbprints of the key before and of the key now.

        Raises:
            AcmeProblem: the CA refuses it, and the account keeps its key; or it may have taken the next key before,
                and the same command goes on from there.
            AcmeUnreachable: the CA may or may not have taken it; the same command goes on from there.
        """
        before = self.registration.known()
        signer = self.registration.signer()
        if before is not None and before.next_key is not None:
            # A change that was begun is ended first; a new one would be one key too many.
            self.registration.has_changed(signer)
            signer = self.registration.signer()
            account = self.registration.known()
            if account is not None and account.next_key is None:
                return thumbprint(as_jwk(before.key)), thumbprint(signer.key)
        account = self.registration.intend_key()
        if account is None or account.next_key is None:
            raise CertdError(f"{self.session.name}: the account is gone", hint="certd account show")
        following = as_jwk(account.next_key)
        try:
            self._change(signer, following)
        except AcmeProblem as problem:
            if refusal_for(problem).kind == "keyChangeRefused" and self._is_the_accounts(signer):
                self.registration.forget_next_key(account.next_key)
            raise
        self.registration.turn_to(account.next_key)
        return thumbprint(signer.key), thumbprint(following)

    def _is_the_accounts(self, signer: Signer) -> bool:
        """Whether the CA takes the signature of this key. An account has one key, so it has no other then."""
        try:
            self.session.post(signer.kid or "", b"", signer, request=AcmeRequest.ACCOUNT)
        except AcmeProblem:
            return False
        return True

    def _change(self, signer: Signer, following: JWK) -> None:
        """POST keyChange: the new key signs that it is to be this account's, the old one signs around it."""
        url = self.session.url_of("keyChange")
        if not url:
            raise CertdError(f"{self.session.name} offers no change of keys", hint="its directory has no keyChange")
        body = {"account": signer.kid, "oldKey": signer.key.public_key().to_partial_json() | _kty(signer.key)}
        inner = jws.JWS.sign(
            json.dumps(body).encode(), key=following, alg=algorithm_of(following), nonce=None, url=url, kid=None
        )
        self.session.post(url, inner.json_dumps().encode(), signer, request=AcmeRequest.KEY_CHANGE)

    def deactivate(self) -> str:
        """End the account for ever (RFC 8555 section 7.3.6). One that the CA says is deactivated already is fine.

        Returns:
            Its URL.

        Raises:
            CertdError: there is none. AcmeProblem, AcmeUnreachable: it stays.
        """
        known = self.registration.known()
        if known is None or not known.url:
            raise CertdError(f"{self.session.name}: certd has no account there")
        try:
            signer = self.registration.signer()
            body = json.dumps({"status": "deactivated"}).encode()
            self.session.post(known.url, body, signer, request=AcmeRequest.ACCOUNT_UPDATE)
        except AcmeProblem as problem:
            if not self._has_ended(problem):
                raise
        self.registration.drop(self._key_now(known.key))
        return known.url

    def _has_ended(self, problem: AcmeProblem) -> bool:
        """Whether the account had ended before. A refusal alone does not say so, and its key would be lost."""
        kind = refusal_for(problem).kind
        if kind != "notPermitted":
            return kind == "accountDeactivated"
        seen = self.look()
        return seen is not None and seen.status == "deactivated"

    def _key_now(self, otherwise: Secret) -> Secret:
        known = self.registration.known()
        return known.key if known is not None else otherwise


def _kty(key: JWK) -> dict[str, str]:
    """The library leaves the type out of the partial form."""
    return {"kty": str(key.to_json()["kty"])}


def _status_by(problem: AcmeProblem) -> str:
    """What a refusal says about the account. Raises the problem where it says nothing."""
    if problem.type == "accountDoesNotExist":
        return "unknown"
    if refusal_for(problem).kind == "accountDeactivated":
        return "deactivated"
    raise problem

"""Our account with one CA: its key is remembered before the CA hears of it, so that no crash makes a second one."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, replace
from typing import Protocol

from acme import messages
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.errors import Error as JoseError
from josepy.jwk import JWK, JWKEC

from certd.ca.session import Session, Signer
from certd.errors import AcmeProblem, ConfigurationError, Finding, SealBroken
from certd.model import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account key with the URL that the CA gave it; empty until it has.

    Attributes:
        directory: An account belongs to a directory, not to a name in the configuration.
    """

    directory: str
    key: Secret
    url: str = ""


class Accounts(Protocol):
    """Where accounts are kept."""

    def account(self, directory: str) -> Account | None:
        """The account with this directory."""
        ...

    def keep_account(self, account: Account) -> Account:
        """Keep it, unless there is one: then that one is returned. With the same key its URL is taken over."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What the operator says about an account.

    Attributes:
        terms_agreed: The CA's terms of service, agreed to by the operator in the configuration.
        contact: Mail addresses; many CAs ignore them.
        eab_kid, eab_hmac: External account binding (RFC 8555 section 7.3.4).
    """

    terms_agreed: bool
    contact: tuple[str, ...] = ()
    eab_kid: str = ""
    eab_hmac: Secret | None = None


class Registration:
    """Finds or makes the account, once for all threads."""

    def __init__(self, session: Session, accounts: Accounts, enrolment: Enrolment) -> None:
        self._session = session
        self._accounts = accounts
        self._enrolment = enrolment
        self._lock = threading.Lock()
        self._signer: Signer | None = None

    def signer(self) -> Signer:
        """Key and account URL. Raises AcmeProblem, AcmeUnreachable, ConfigurationError."""
        with self._lock:
            if self._signer is None:
                self._signer = self._found_or_made()
            return self._signer

    def forget(self, signer: Signer) -> None:
        """The CA does not know this account (any more): register its key anew at the next use."""
        with self._lock:
            if self._signer is signer:
                self._signer = None
                known = self._accounts.account(self._session.directory_url)
                if known is not None:
                    self._accounts.keep_account(replace(known, url=""))

    def _found_or_made(self) -> Signer:
        directory = self._session.directory_url
        account = self._accounts.account(directory)
        if account is None:
            account = self._accounts.keep_account(Account(directory=directory, key=new_account_key()))
        key = as_jwk(account.key)
        if account.url:
            return Signer(key, account.url)
        if not self._enrolment.terms_agreed:
            terms = self._session.meta().get("termsOfService", "")
            finding = Finding(
                path=f"issuer.{self._session.name}.terms_agreed",
                message=f"the CA's terms of service must be agreed to: {terms or 'see its site'}",
                hint=f"issuer.{self._session.name}.terms_agreed = true",
            )
            raise ConfigurationError((finding,))
        url = self._register(key)
        self._accounts.keep_account(replace(account, url=url))
        return Signer(key, url)

    def _register(self, key: JWK) -> str:
        """newAccount (RFC 8555 section 7.3); with a key that is known the CA answers its account's URL (7.3.1)."""
        session = self._session
        enrolment = self._enrolment
        binding = None
        if enrolment.eab_kid and enrolment.eab_hmac is not None:
            try:
                binding = messages.ExternalAccountBinding.from_data(
                    account_public_key=key.public_key(), kid=enrolment.eab_kid, hmac_key=enrolment.eab_hmac.reveal(),
                    directory=messages.Directory({"newAccount": session.url_of("newAccount")}),
                )  # fmt: skip
            except (ValueError, TypeError, JoseError) as error:
                finding = Finding(path=f"issuer.{session.name}.eab.hmac", message="is not base64url")
                raise ConfigurationError((finding,)) from error
        body: dict[str, object] = {"termsOfServiceAgreed": True}
        if enrolment.contact:
            body["contact"] = [f"mailto:{address.removeprefix('mailto:')}" for address in enrolment.contact]
        if binding is not None:
            body["externalAccountBinding"] = binding
        response = session.post(session.url_of("newAccount"), json.dumps(body).encode(), Signer(key))
        url = response.headers.get("location", "")
        if not url:
            raise AcmeProblem(type="malformed", detail="the CA made an account and did not say its URL", status=502)
        return url


def new_account_key() -> Secret:
    """A fresh ECDSA P-256 key: a signature costs a third of RSA 2048's."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    return Secret(pem.decode())


def as_jwk(key: Secret) -> JWK:
    """An account key as the library wants it."""
    loaded = serialization.load_pem_private_key(key.reveal().encode(), password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or not isinstance(loaded.curve, ec.SECP256R1):
        raise SealBroken("an account key is not ECDSA P-256")
    return JWKEC(key=loaded)

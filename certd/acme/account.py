"""Our account with one CA: its key is remembered before the CA hears of it, so that no crash makes a second one.

A change of its key (RFC 8555 section 7.3.5) is remembered the same way: the next key is in the store, sealed, before
the CA is asked to take it. Whoever finds one there asks the CA which of the two it knows.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from acme import messages
from josepy.errors import Error as JoseError
from josepy.jwk import JWK

from certd.acme.account_keys import as_jwk, new_account_key
from certd.acme.session import Session, Signer
from certd.errors import AcmeProblem, AcmeRequest, ConfigurationError, Finding
from certd.model import Secret
from certd.planning.acme_errors import told_wait
from certd.planning.backoff import CA_LADDER, rung

# A refused registration is asked for again after a minute, and then every ten, where the CA does not say when.
REFUSED_LADDER = CA_LADDER[:2]

# No CA asks for a longer wait: a later time was written by a clock that was ahead.
LONGEST_WAIT = timedelta(days=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account key with the URL that the CA gave it; empty until it has.

    Attributes:
        directory: An account belongs to a directory, not to a name in the configuration.
        next_key: The key that the CA is being asked to take instead; None where none is.
    """

    directory: str
    key: Secret
    url: str = ""
    next_key: Secret | None = None


class Accounts(Protocol):
    """Where accounts are kept."""

    def account(self, directory: str) -> Account | None:
        """The account with this directory."""
        ...

    def keep_account(self, account: Account) -> Account:
        """Keep it, unless there is one: then that one is returned. With the same key its URL is taken over."""
        ...

    def intend_key(self, directory: str, key: Secret) -> Account | None:
        """Remember the next key, unless there is one already: of two who change it at once both get the first. None
        where there is no such account.
        """
        ...

    def turn_to_key(self, directory: str, key: Secret) -> None:
        """The CA knows this next key: it is the account's now. Nothing where another key is next, or none."""
        ...

    def forget_next_key(self, directory: str, key: Secret) -> None:
        """The CA does not take this next key; another one that is next by now stays."""
        ...

    def hold_registration(self, directory: str, until: datetime) -> None:
        """The CA takes no new account before then."""
        ...

    def registration_held_until(self, directory: str) -> datetime | None:
        """When the CA takes a new account again; None where it never said so."""
        ...

    def drop_account(self, directory: str, key: Secret) -> None:
        """Forget the account with this key; another one there stays."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTerms:
    """What the operator says about an account.

    Attributes:
        terms_agreed: The CA's terms of service, agreed to by the operator in the configuration.
        contact: Mail addresses; many CAs ignore them.
        eab_kid, eab_hmac: External account binding (RFC 8555 section 7.3.4).
    """

    terms_agreed: bool
    contact: tuple[str, ...] = ()
    eab_kid: str = ""
    eab_hmac: Secret | Callable[[], Secret] | None = None


class Registration:
    """Finds or makes the account, once for all threads. What the CA answers to a refused registration is the answer to
    everybody who needs the account until the CA may be asked again: many links come in the same instant.
    """

    def __init__(self, session: Session, accounts: Accounts, enrolment: AccountTerms) -> None:
        self._session = session
        self._accounts = accounts
        self._enrolment = enrolment
        self._lock = threading.Lock()
        self._signer: Signer | None = None
        self._refusal: AcmeProblem | None = None
        self._failures = 0
        self._ask_at = datetime.min.replace(tzinfo=UTC)

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

    def has_changed(self, signer: Signer) -> bool:
        """Whether the account's key changed in the store since this signer was made (another process did it): then
        the next use reads it anew.
        """
        with self._lock:
            known = self._accounts.account(self._session.directory_url)
            changed = known is None or known.next_key is not None or as_jwk(known.key) != signer.key
            if changed and self._signer is signer:
                self._signer = None
            return changed

    # ------------------------------------------------------------------------------------ the account's own life

    def known(self) -> Account | None:
        """What the store has, without asking the CA."""
        return self._accounts.account(self._session.directory_url)

    def intend_key(self) -> Account | None:
        """Remember the next key before the CA hears of it."""
        return self._accounts.intend_key(self._session.directory_url, new_account_key())

    def turn_to(self, key: Secret) -> None:
        """The CA has taken the next key."""
        with self._lock:
            self._accounts.turn_to_key(self._session.directory_url, key)
            self._signer = None

    def forget_next_key(self, key: Secret) -> None:
        """The CA has refused the next key and goes on with the one before."""
        with self._lock:
            self._accounts.forget_next_key(self._session.directory_url, key)
            self._signer = None

    def read_anew(self) -> None:
        """Somebody else changed it in the store."""
        with self._lock:
            self._signer = None

    def drop(self, key: Secret) -> None:
        """The account is no more; the next use makes another one."""
        with self._lock:
            self._accounts.drop_account(self._session.directory_url, key)
            self._signer = None

    def url_of(self, key: JWK) -> str:
        """The account that the CA has under this key, without making one (RFC 8555 section 7.3.1); empty: none."""
        body = json.dumps({"onlyReturnExisting": True}).encode()
        try:
            response = self._session.post(
                self._session.url_of("newAccount"), body, Signer(key), request=AcmeRequest.NEW_ACCOUNT
            )
        except AcmeProblem as problem:
            if problem.type != "accountDoesNotExist":
                raise
            return ""
        return response.headers.get("location", "")

    # ------------------------------------------------------------------------------------ inside

    def _found_or_made(self) -> Signer:
        directory = self._session.directory_url
        account = self._accounts.account(directory)
        if account is None:
            account = self._accounts.keep_account(Account(directory=directory, key=new_account_key()))
        if account.next_key is not None and account.url:
            # Somebody died while the key was changed, or is about to: the CA says which one it knows.
            following = as_jwk(account.next_key)
            if self.url_of(following) == account.url:
                self._accounts.turn_to_key(directory, account.next_key)
                return Signer(following, account.url)
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
        self._raise_if_held(datetime.now(UTC))
        try:
            url = self._register(key)
        except AcmeProblem as problem:
            self._hold(problem, datetime.now(UTC))
            raise
        self._refusal, self._failures = None, 0
        self._accounts.keep_account(replace(account, url=url))
        return Signer(key, url)

    def _raise_if_held(self, now: datetime) -> None:
        """Raise the CA's last refusal while it is too early to ask again."""
        known = self._refusal
        if known is not None and timedelta(0) < self._ask_at - now <= LONGEST_WAIT:
            raise AcmeProblem(
                type=known.type,
                detail=known.detail,
                status=known.status,
                retry_after=None if known.retry_after is None else self._ask_at - now,
                subproblems=known.subproblems,
                instance=known.instance,
                hint=known.hint,
                request=known.request,
            )
        until = self._accounts.registration_held_until(self._session.directory_url)
        if until is not None and timedelta(0) < until - now <= LONGEST_WAIT:
            raise AcmeProblem(
                type="rateLimited",
                detail=f"the CA takes no new account before {until:%Y-%m-%d %H:%M:%SZ}",
                status=429,
                retry_after=until - now,
                request=AcmeRequest.NEW_ACCOUNT,
            )

    def _hold(self, problem: AcmeProblem, now: datetime) -> None:
        """Remember a refusal; what the CA says of when to come again outlasts this process."""
        self._failures += 1
        wait = told_wait(problem, now)
        self._refusal = problem
        self._ask_at = now + (rung(REFUSED_LADDER, self._failures) if wait is None else min(wait, LONGEST_WAIT))
        if wait is not None:
            self._accounts.hold_registration(self._session.directory_url, self._ask_at)

    def _register(self, key: JWK) -> str:
        """newAccount (RFC 8555 section 7.3); with a key that is known the CA answers its account's URL (7.3.1)."""
        session = self._session
        enrolment = self._enrolment
        binding = None
        if enrolment.eab_kid and enrolment.eab_hmac is not None:
            hmac = enrolment.eab_hmac() if callable(enrolment.eab_hmac) else enrolment.eab_hmac
            try:
                binding = messages.ExternalAccountBinding.from_data(
                    account_public_key=key.public_key(),
                    kid=enrolment.eab_kid,
                    hmac_key=hmac.reveal(),
                    directory=messages.Directory({"newAccount": session.url_of("newAccount")}),
                )
            except (ValueError, TypeError, JoseError) as error:
                finding = Finding(path=f"issuer.{session.name}.eab.hmac", message="is not base64url")
                raise ConfigurationError((finding,)) from error
        body: dict[str, object] = {"termsOfServiceAgreed": True}
        if enrolment.contact:
            body["contact"] = [f"mailto:{address.removeprefix('mailto:')}" for address in enrolment.contact]
        if binding is not None:
            body["externalAccountBinding"] = binding
        response = session.post(
            session.url_of("newAccount"), json.dumps(body).encode(), Signer(key), request=AcmeRequest.NEW_ACCOUNT
        )
        url = response.headers.get("location", "")
        if not url:
            raise AcmeProblem(type="malformed", detail="the CA made an account and did not say its URL", status=502)
        return url

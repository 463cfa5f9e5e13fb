"""The CAs of a configuration. The ACME stack is imported when the first of them is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from certd.config.settings import Settings
from certd.errors import IssuerUnknown
from certd.model import Secret
from certd.ports import CertificateAuthority
from certd.store.accounts import AccountTable
from certd.store.stores import Stores

if TYPE_CHECKING:
    from certd.acme.account import Account, Accounts
    from certd.system.egress import Egress


@dataclass(frozen=True, slots=True)
class _Accounts:
    """The store's accounts in the words of ``certd.acme``."""

    table: AccountTable

    def account(self, directory: str) -> Account | None:
        return _as_account(self.table.get(directory))

    def keep_account(self, account: Account) -> Account:
        kept = _as_account(self.table.keep(account.directory, account.key, account.url))
        return kept or account

    def intend_key(self, directory: str, key: Secret) -> Account | None:
        return _as_account(self.table.intend_key(directory, key))

    def turn_to_key(self, directory: str, key: Secret) -> None:
        self.table.turn_to_key(directory, key)

    def forget_next_key(self, directory: str, key: Secret) -> None:
        self.table.forget_next_key(directory, key)

    def hold_registration(self, directory: str, until: datetime) -> None:
        self.table.hold_registration(directory, until)

    def registration_held_until(self, directory: str) -> datetime | None:
        return self.table.registration_held_until(directory)

    def drop_account(self, directory: str, key: Secret) -> None:
        self.table.drop(directory, key)


def accounts_in(table: AccountTable) -> Accounts:
    """The store's accounts in the words of ``certd.acme``."""
    return _Accounts(table)


def _as_account(stored: object) -> Account | None:
    if stored is None:
        return None
    known = importlib.import_module("certd.acme.account").Account
    made: Account = known(**{name: getattr(stored, name) for name in ("directory", "key", "url", "next_key")})
    return made


class Issuers:
    """One adapter for each issuer, made when it is first asked for.

    Args:
        egress: The way out with this trust anchor for the ACME server.
        secret: What a reference of the configuration means now.
    """

    def __init__(
        self, settings: Settings, stores: Stores, egress: Callable[[str], Egress], secret: Callable[[str], Secret]
    ) -> None:
        self._settings = settings
        self._stores = stores
        self._egress = egress
        self._secret = secret
        self._made: dict[str, CertificateAuthority] = {}

    def get(self, issuer: str) -> CertificateAuthority:
        """The CA of this name. Raises IssuerUnknown where the configuration has none."""
        known = self._made.get(issuer)
        if known is not None:
            return known
        settings = self._settings.issuers.get(issuer)
        if settings is None:
            raise IssuerUnknown(
                f"issuer.{issuer} is not in the configuration", hint="put it back until the next renewal"
            )
        # First, because it imports requests in its own way.
        egress = self._egress(settings.ca_file)
        account = importlib.import_module("certd.acme.account")
        session = importlib.import_module("certd.acme.session")
        authority = importlib.import_module("certd.acme.issuer")
        talk = session.Session(issuer, settings.directory, egress, allowed_hosts=settings.allowed_hosts)
        enrolment = account.AccountTerms(
            terms_agreed=settings.terms_agreed,
            contact=settings.contact,
            eab_kid=settings.eab_kid,
            # Read when an account is made: one that exists needs it no more.
            eab_hmac=(lambda: self._secret(settings.eab_hmac)) if settings.eab_hmac else None,
        )
        made: CertificateAuthority = authority.AcmeIssuer(
            talk, account.Registration(talk, _Accounts(self._stores.accounts), enrolment)
        )
        return self._made.setdefault(issuer, made)

    def made(self) -> dict[str, CertificateAuthority]:
        """Those that were asked for."""
        return dict(self._made)

    def close(self) -> None:
        """Shut idle connections."""
        for authority in self._made.values():
            authority.close()

"""The real ACME adapter towards any directory, with accounts kept in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from certd.acme.account import Account, AccountTerms, Registration
from certd.acme.issuer import AcmeIssuer
from certd.acme.session import Session
from certd.model import Secret
from certd.system.egress import Egress
from certd.system.network import Network


class MemoryAccounts:
    """Implements certd.acme's Accounts."""

    def __init__(self) -> None:
        self.kept: dict[str, Account] = {}
        self.held: dict[str, datetime] = {}

    def hold_registration(self, directory: str, until: datetime) -> None:
        """The last word counts."""
        self.held[directory] = until

    def registration_held_until(self, directory: str) -> datetime | None:
        """As it was said."""
        return self.held.get(directory)

    def account(self, directory: str) -> Account | None:
        """The account with this directory."""
        return self.kept.get(directory)

    def keep_account(self, account: Account) -> Account:
        """The first key wins."""
        known = self.kept.get(account.directory)
        if known is not None and known.key != account.key:
            return known
        self.kept[account.directory] = account
        return account

    def intend_key(self, directory: str, key: Secret) -> Account:
        """The first next key wins."""
        known = self.kept[directory]
        self.kept[directory] = replace(known, next_key=known.next_key or key)
        return self.kept[directory]

    def turn_to_key(self, directory: str, key: Secret) -> None:
        """Only the next one."""
        known = self.kept.get(directory)
        if known is not None and known.next_key == key:
            self.kept[directory] = replace(known, key=key, next_key=None)

    def forget_next_key(self, directory: str, key: Secret) -> None:
        """Only this one."""
        known = self.kept.get(directory)
        if known is not None and known.next_key == key:
            self.kept[directory] = replace(known, next_key=None)

    def drop_account(self, directory: str, key: Secret) -> None:
        """Only this one."""
        known = self.kept.get(directory)
        if known is not None and known.key == key:
            del self.kept[directory]


def authority(
    directory: str,
    *,
    ca_file: str = "",
    accounts: MemoryAccounts | None = None,
    terms_agreed: bool = True,
    network: Network | None = None,
    eab: tuple[str, str] = ("", ""),
) -> AcmeIssuer:
    """An adapter named ``pebble``."""
    session = Session("pebble", directory, Egress(network or Network(), user_agent="certd/test", ca_file=ca_file))
    enrolment = AccountTerms(terms_agreed=terms_agreed, eab_kid=eab[0], eab_hmac=Secret(eab[1]) if eab[1] else None)
    return AcmeIssuer(session, Registration(session, accounts or MemoryAccounts(), enrolment))

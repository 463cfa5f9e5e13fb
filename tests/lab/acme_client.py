"""The real ACME adapter towards any directory, with accounts kept in memory."""

from __future__ import annotations

from certd.ca.account import Account, Enrolment, Registration
from certd.ca.authority import AcmeAuthority
from certd.ca.session import Session
from certd.model import Secret
from certd.system.egress import Egress
from certd.system.network import Network


class MemoryAccounts:
    """Implements certd.ca's Accounts."""

    def __init__(self) -> None:
        self.kept: dict[str, Account] = {}

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


def authority(
    directory: str, *, ca_file: str = "", accounts: MemoryAccounts | None = None, terms_agreed: bool = True,
    network: Network | None = None, eab: tuple[str, str] = ("", ""),
) -> AcmeAuthority:  # fmt: skip
    """An adapter named ``pebble``."""
    session = Session("pebble", directory, Egress(network or Network(), user_agent="certd/test", ca_file=ca_file))
    enrolment = Enrolment(terms_agreed=terms_agreed, eab_kid=eab[0], eab_hmac=Secret(eab[1]) if eab[1] else None)
    return AcmeAuthority(session, Registration(session, accounts or MemoryAccounts(), enrolment))

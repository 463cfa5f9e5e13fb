"""Whatever step a change of the account's key dies at: the account stays usable, and the same command ends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certd.acme.account import Account, AccountTerms, Registration
from certd.acme.account_admin import AccountAdmin
from certd.acme.account_keys import as_jwk, thumbprint
from certd.acme.issuer import AcmeIssuer
from certd.acme.session import Session
from certd.errors import AcmeProblem
from certd.store.accounts import AccountTable
from certd.store.stores import open_stores
from certd.system.egress import Egress
from certd.system.network import Network
from certd.wiring.issuers import accounts_in
from tests.interruption.dying import Died, Fate, Mortal
from tests.lab.pebble import Pebble

pytestmark = pytest.mark.lab("pebble")
DOMAIN = "link.example.test"


@pytest.fixture(scope="module")
def pebble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """One for the module; no validation is asked for."""
    with Pebble(tmp_path_factory.mktemp("pebble"), dns="127.0.0.1:9") as made:
        yield made


@pytest.fixture
def table(tmp_path: Path) -> Iterator[AccountTable]:
    """A store of its own: a new account for each test."""
    stores = open_stores(tmp_path, "lab")
    yield stores.accounts
    stores.close()


def process(pebble: Pebble, table: AccountTable, fate: Fate | None = None) -> tuple[AcmeIssuer, AccountAdmin]:
    """What a process that was just started has; with a fate every step of it is counted."""
    egress = Egress(Network(), user_agent="test", ca_file=str(pebble.ca_file))
    session = Session("pebble", pebble.directory, egress)
    accounts = accounts_in(table)
    talk: Any = session if fate is None else Mortal(session, "ca", fate)
    kept: Any = accounts if fate is None else Mortal(accounts, "store", fate)
    registration = Registration(talk, kept, AccountTerms(terms_agreed=True))
    return AcmeIssuer(session, registration), AccountAdmin(talk, registration)


def key_of(table: AccountTable, pebble: Pebble) -> Account:
    known = accounts_in(table).account(pebble.directory)
    assert known is not None
    return known


def steps(pebble: Pebble, table: AccountTable) -> int:
    fate = Fate()
    process(pebble, table)[0].new_order([DOMAIN])
    process(pebble, table, fate)[1].roll_over()
    return len(fate.calls)


def test_killed_at_any_step(pebble: Pebble, table: AccountTable, tmp_path: Path) -> None:
    """Before and after each: whoever comes next orders with the same account, whichever key the CA knows."""
    total = steps(pebble, table)
    assert total >= 6
    url = key_of(table, pebble).url
    for at in range(1, total + 1):
        for after in (False, True):
            before = key_of(table, pebble)
            with pytest.raises(Died):
                process(pebble, table, Fate(at, after=after))[1].roll_over()
            process(pebble, table)[0].new_order([DOMAIN])
            process(pebble, table)[1].roll_over()
            now = key_of(table, pebble)
            assert now.url == url, (at, after)
            assert now.next_key is None, (at, after)
            assert now.key != before.key, (at, after)
            seen = process(pebble, table)[1].look()
            assert seen is not None
            assert (seen.status, seen.is_changing) == ("valid", False)
            assert seen.thumbprint == thumbprint(as_jwk(now.key))


def test_a_daemon_that_knows_the_old_key(pebble: Pebble, table: AccountTable) -> None:
    """Another process changed the key: the next request reads it anew, at the first refusal."""
    daemon, _ = process(pebble, table)
    daemon.new_order([DOMAIN])
    process(pebble, table)[1].roll_over()
    order = daemon.new_order([DOMAIN])
    assert order.status in {"pending", "ready"}


def test_a_daemon_between_the_steps(pebble: Pebble, table: AccountTable) -> None:
    """The CA has taken the new key, and whoever asked for it died before it said so: the daemon finds out."""
    daemon, _ = process(pebble, table)
    daemon.new_order([DOMAIN])
    fate = Fate()
    calls = steps(pebble, table)
    daemon.new_order([DOMAIN])
    # The last step is the store's: the new key becomes the account's.
    fate = Fate(calls)
    with pytest.raises(Died):
        process(pebble, table, fate)[1].roll_over()
    assert fate.calls[-1] == "store.turn_to_key"
    assert key_of(table, pebble).next_key is not None
    daemon.new_order([DOMAIN])
    assert key_of(table, pebble).next_key is None


def test_the_old_key_opens_nothing(pebble: Pebble, table: AccountTable, tmp_path: Path) -> None:
    """Once it has changed, the CA refuses what the old key signs."""
    old, _ = process(pebble, table)
    old.new_order([DOMAIN])
    before = key_of(table, pebble)
    process(pebble, table)[1].roll_over()
    (tmp_path / "other").mkdir()
    stores = open_stores(tmp_path / "other", "lab")
    stores.accounts.keep(before.directory, before.key, before.url)
    with pytest.raises(AcmeProblem):
        process(pebble, stores.accounts)[0].new_order([DOMAIN])
    stores.close()


def test_deactivated(pebble: Pebble, table: AccountTable) -> None:
    """The CA takes nothing of it any more; said twice it is fine; the next order makes another account."""
    first, tenure = process(pebble, table)
    first.new_order([DOMAIN])
    before = key_of(table, pebble)
    url = tenure.deactivate()
    assert table.get(pebble.directory) is None
    table.keep(before.directory, before.key, before.url)
    again = process(pebble, table)[1]
    seen = again.look()
    assert seen is not None
    assert seen.status == "deactivated"
    assert again.deactivate() == url
    process(pebble, table)[0].new_order([DOMAIN])
    assert key_of(table, pebble).url != url

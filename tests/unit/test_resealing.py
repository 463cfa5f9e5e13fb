"""Another seal key: everything opens at every moment, broken off anywhere, and where the old key is lost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from certd.errors import CertdError, SealBroken
from certd.model import Certificate, Secret
from certd.pki.chain import read_certificate
from certd.store.reseal import reseal_all
from certd.store.seal import Seal, keys_in, new_seal_key
from certd.store.stores import SEAL_KEY, Stores, open_stores
from tests.lab.bought import buy

LINK = "link.example.com"
OLD, NEW = new_seal_key(), new_seal_key()


def filled(folder: Path, keys: list[Secret]) -> tuple[Stores, Certificate]:
    """A store with a certificate, its copy, and an account whose key is being changed."""
    stores = open_stores(folder, "lab", seal_keys=keys)
    bought = buy(folder / "bought", LINK, days=60)
    key = Secret(bought.key.read_text())
    certificate = read_certificate(bought.chain.read_text(), key, link=LINK, issuer="x", issued_at=datetime.now(UTC))
    stores.lineages.adopt(certificate)
    stores.node.copy_in(certificate, 1)
    stores.accounts.keep("https://ca/dir", Secret("account"), "https://ca/1")
    stores.accounts.intend_key("https://ca/dir", Secret("next"))
    return stores, certificate


def opens(folder: Path, keys: list[Secret], certificate: Certificate) -> bool:
    """Everything that was put in comes out."""
    stores = open_stores(folder, "lab", seal_keys=keys)
    current = stores.lineages.facts(LINK).current
    copy = stores.node.certificate(LINK, certificate.generation)
    account = stores.accounts.get("https://ca/dir")
    stores.close()
    assert current is not None
    assert copy is not None
    assert account is not None
    assert account.next_key is not None
    found = (current.key, copy.key, account.key.reveal(), account.next_key.reveal())
    return found == (certificate.key, certificate.key, "account", "next")


def test_from_the_old_to_the_new(tmp_path: Path) -> None:
    """Afterwards the old key opens nothing and the new one all of it."""
    stores, certificate = filled(tmp_path, [OLD])
    stores.close()
    both = open_stores(tmp_path, "lab", seal_keys=[NEW, OLD])
    done = reseal_all(both.lineages.database, both.own, both.lineages.seal)
    both.close()
    assert (done.count, done.lost) == (4, [])
    assert opens(tmp_path, [NEW], certificate)
    with pytest.raises(SealBroken):
        open_stores(tmp_path, "lab", seal_keys=[OLD])


class Dying(Seal):
    """Its process is gone at the N-th value that it would close."""

    at = 0

    def close(self, secret: Secret, table: str, column: str, row: str) -> str:
        self.at -= 1
        if self.at == 0:
            raise KeyboardInterrupt
        return super().close(secret, table, column, row)


@pytest.mark.parametrize("at", range(1, 7))
def test_broken_off_anywhere(tmp_path: Path, at: int) -> None:
    """Both keys open everything in between, and the second try does the rest."""
    stores, certificate = filled(tmp_path, [OLD])
    stores.close()
    both = open_stores(tmp_path, "lab", seal_keys=[NEW, OLD])
    dying = Dying([NEW, OLD])
    dying.at = at
    with pytest.raises(KeyboardInterrupt):
        reseal_all(both.lineages.database, both.own, dying)
    both.close()
    assert opens(tmp_path, [NEW, OLD], certificate)
    both = open_stores(tmp_path, "lab", seal_keys=[NEW, OLD])
    reseal_all(both.lineages.database, both.own, both.lineages.seal)
    both.close()
    assert opens(tmp_path, [NEW], certificate)


def test_without_the_old_key(tmp_path: Path) -> None:
    """Nothing is touched unless the keys are looked for elsewhere; what is found there is sealed with the new key."""
    stores, certificate = filled(tmp_path, [OLD])
    stores.close()
    lost = open_stores(tmp_path, "lab", seal_keys=[NEW], judge=False)
    with pytest.raises(CertdError):
        reseal_all(lost.lineages.database, lost.own, lost.lineages.seal)
    done = reseal_all(lost.lineages.database, lost.own, lost.lineages.seal, lambda link, generation: certificate.key)
    lost.close()
    assert done.found == 2
    assert sorted(done.lost) == ["the account with https://ca/dir"]
    again = open_stores(tmp_path, "lab", seal_keys=[NEW])
    current = again.lineages.facts(LINK).current
    assert current is not None
    assert current.key == certificate.key
    assert again.accounts.get("https://ca/dir") is None
    again.close()


def test_a_file_with_two_keys(tmp_path: Path) -> None:
    """While a key of certd's own is changed both lie in its file, the new one first."""
    path = tmp_path / SEAL_KEY
    path.write_text(f"{NEW.reveal()}\n{OLD.reveal()}\n")
    assert keys_in(path) == [NEW, OLD]

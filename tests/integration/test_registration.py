"""New accounts: one request at a time, and none before the CA says so."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from certd.daemon.active_alarms import ActiveAlarms
from certd.daemon.register_accounts import AccountRegistrar
from certd.errors import AcmeError, AcmeProblem, AcmeRequest, AcmeUnreachable
from certd.store.stores import open_stores
from certd.wiring.issuers import accounts_in
from tests.lab.acme_client import MemoryAccounts, authority
from tests.lab.rude import Rude, problem
from tests.unit.test_daemon_parts import Notes

HOUR = timedelta(hours=1)
LIMITED = problem("429 Too Many", "rateLimited", "too many new registrations", Retry_After="3600")
REFUSED = problem("403 Forbidden", "unauthorized", "the field 'kid' references an unknown key")


@pytest.mark.parametrize("answer", [LIMITED, REFUSED])
def test_links_do_not_register_one_by_one(answer: bytes) -> None:
    """Eight links that need the account in the same instant ask the CA once, and all hear its answer."""
    with Rude({"/account": lambda method, path: answer}) as rude:
        ca = authority(f"{rude.url}/dir")

        def ask(number: int) -> AcmeProblem:
            with pytest.raises(AcmeProblem) as refused:
                ca.account()
            return refused.value

        with ThreadPoolExecutor(8) as pool:
            heard = list(pool.map(ask, range(8)))
        assert rude.seen.count(("POST", "/account")) == 1
    assert len({(each.type, each.detail, each.request) for each in heard}) == 1
    assert heard[0].request is AcmeRequest.NEW_ACCOUNT


def test_what_the_ca_said_outlasts_the_process() -> None:
    """Retry-After counts for the process after this one, too; when its time has come the CA is asked again."""
    accounts = MemoryAccounts()
    with Rude({"/account": lambda method, path: LIMITED}) as rude:
        for _ in range(3):
            with pytest.raises(AcmeProblem) as refused:
                authority(f"{rude.url}/dir", accounts=accounts).account()
            assert refused.value.type == "rateLimited"
            assert refused.value.retry_after is not None
            assert HOUR - timedelta(minutes=5) < refused.value.retry_after <= HOUR
        assert rude.seen.count(("POST", "/account")) == 1
        (directory,) = accounts.held
        accounts.held[directory] = datetime.now(UTC) - timedelta(seconds=1)
        rude.answer({"/account": lambda method, path: LIMITED.replace(b"429 Too Many", b"429 Again")})
        with pytest.raises(AcmeProblem):
            authority(f"{rude.url}/dir", accounts=accounts).account()
        assert rude.seen.count(("POST", "/account")) == 2


def test_a_wait_that_no_ca_asks_for_is_void() -> None:
    """Written by a clock that was a year ahead."""
    accounts = MemoryAccounts()
    with Rude() as rude:
        accounts.held[f"{rude.url}/dir"] = datetime.now(UTC) + timedelta(days=365)
        assert authority(f"{rude.url}/dir", accounts=accounts).account()


def test_the_store_keeps_it(tmp_path: Path) -> None:
    """One for each directory, over a restart; a later word counts."""
    until = datetime(2026, 12, 1, 12, tzinfo=UTC)
    stores = open_stores(tmp_path, "lab")
    kept = accounts_in(stores.accounts)
    assert kept.registration_held_until("https://ca/dir") is None
    kept.hold_registration("https://ca/dir", until)
    kept.hold_registration("https://ca/dir", until + HOUR)
    stores.close()
    stores = open_stores(tmp_path, "lab")
    kept = accounts_in(stores.accounts)
    assert kept.registration_held_until("https://ca/dir") == until + HOUR
    assert kept.registration_held_until("https://other/dir") is None
    stores.close()


class Registrar:
    """An application with one issuer whose registration fails, on a clock of its own."""

    def __init__(self, error: AcmeError) -> None:
        self.error: AcmeError | None = error
        self.asked: list[float] = []
        self.now = 0.0
        self.account: Any = None
        self.active_alarms = ActiveAlarms()
        spec = SimpleNamespace(issuers=("ca",))
        settings = SimpleNamespace(
            links=(SimpleNamespace(spec=spec),), issue=True, issuers={"ca": SimpleNamespace(directory="d")}
        )
        stores = SimpleNamespace(accounts=SimpleNamespace(get=lambda directory: self.account))
        self.app: Any = SimpleNamespace(
            settings=settings, stores=stores, authority=lambda name: SimpleNamespace(account=self.register)
        )
        self.registrar = AccountRegistrar(lambda: self.app, Notes(), self.active_alarms, lambda: self.now)

    def register(self) -> str:
        """As the authority does."""
        self.asked.append(self.now)
        if self.error is not None:
            raise self.error
        return "url"

    def run(self, seconds: float) -> None:
        """The clockwork's job, every ten seconds."""
        until = self.now + seconds
        while self.now < until:
            if not self.registrar.is_idle():
                self.registrar.look()
            self.now += 10


@pytest.mark.parametrize(
    "make",
    [
        lambda: AcmeProblem(type="rateLimited", detail="too many", status=429, retry_after=timedelta(minutes=20)),
        lambda: AcmeUnreachable("answers 503", retry_after=timedelta(minutes=20)),
    ],
)
def test_the_registrar_comes_when_it_is_told(make: Callable[[], AcmeError]) -> None:
    """Retry-After, and neither the ladder's minute nor six hours."""
    registrar = Registrar(make())
    registrar.run(3700)
    assert registrar.asked == [0, 1200, 2400, 3600]


def test_its_alarm_ends_when_another_has_registered() -> None:
    """A link's own order, or another node, registers before the registrar comes again: the alarm ends at once."""
    registrar = Registrar(AcmeProblem(type="externalAccountRequired", detail="no", status=403))
    registrar.run(60)
    assert [alarm.cause for alarm in registrar.active_alarms.all()] == ["account:ca"]
    registrar.account = SimpleNamespace(url="https://ca/account/1")
    registrar.run(20)
    assert registrar.active_alarms.all() == []
    assert len(registrar.asked) == 1
    assert registrar.registrar.is_idle()


def test_its_alarm_ends_with_the_issuer() -> None:
    """No link names the issuer any more."""
    registrar = Registrar(AcmeProblem(type="externalAccountRequired", detail="no", status=403))
    registrar.run(60)
    settings = SimpleNamespace(**{**vars(registrar.app.settings), "links": ()})
    registrar.app = SimpleNamespace(**{**vars(registrar.app), "settings": settings})
    registrar.run(20)
    assert registrar.active_alarms.all() == []

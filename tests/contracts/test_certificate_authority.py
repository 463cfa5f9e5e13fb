"""The contract of ``ports.CertificateAuthority``, over the real adapter with a real Pebble and over the model CA."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from certd.errors import AcmeProblem, ConfigurationError
from certd.model import Secret, TxtCleanup
from certd.pki.chain import read_certificate
from certd.pki.keys import csr_der, make_key
from certd.ports import CertificateAuthority, OrderSeen
from tests.lab.acme_client import MemoryAccounts, authority
from tests.lab.pebble import Pebble, pebble_program
from tests.lab.txt_server import TxtServer
from tests.simulation.clock import VirtualClock
from tests.simulation.models import ModelCa, ModelDns
from tests.unit.cases import NOW

DOMAIN = "link.example.test"


@dataclass
class Bench:
    """A CA and a way to show a value to it."""

    ca: CertificateAuthority
    show: Callable[[str, str], None]
    rest: Callable[[], None]
    csr: Callable[[tuple[str, ...]], bytes]

    def until(self, order: OrderSeen, *statuses: str) -> OrderSeen:
        """Read an order until it is in one of these states."""
        for _ in range(100):
            if order.status in statuses:
                return order
            self.rest()
            order = replace(self.ca.read_order(order.url), url=order.url)
        raise AssertionError(f"the order stays {order.status}")

    def ready(self, *domains: str) -> OrderSeen:
        """A new order, validated."""
        order = self.ca.new_order(domains)
        for url in order.authorization_urls:
            authorization = self.ca.read_authorization(url)
            if authorization.status == "pending":
                self.show(authorization.txt_name, authorization.txt_value)
                self.ca.answer(authorization.challenge_url)
        return self.until(order, "ready")

    def issued(self, *domains: str) -> OrderSeen:
        """A new order, signed."""
        order = self.ready(*domains)
        self.ca.finalize(order.finalize_url, self.csr(domains))
        return self.until(order, "valid")


@pytest.fixture(scope="module")
def pebble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pebble, TxtServer]]:
    """One Pebble for the module."""
    if not pebble_program():
        pytest.skip("lab: pebble is not installed; tests/lab/setup installs it")
    names = TxtServer()
    with Pebble(tmp_path_factory.mktemp("pebble"), dns=f"127.0.0.1:{names.port}") as made:
        yield made, names
    names.close()


@pytest.fixture(params=["pebble", "model"])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "pebble":
        made, names = request.getfixturevalue("pebble")
        ca = authority(made.directory, ca_file=str(made.ca_file))
        key = make_key("ecdsa-p256")
        return Bench(ca, names.add, lambda: time.sleep(0.05), lambda domains: csr_der(key, domains))
    clock = VirtualClock(NOW)
    dns = ModelDns(clock, lambda at: False)
    model = ModelCa(clock, random.Random(2), lambda at: timedelta(days=90), lambda at: False, dns)

    def show(name: str, value: str) -> None:
        dns.present(TxtCleanup(provider="d", name=name, value=value, made_at=clock.now()))
        clock.sleep(timedelta(minutes=30))

    return Bench(model, show, lambda: clock.sleep(timedelta(seconds=1)), lambda domains: " ".join(domains).encode())


def test_an_order_goes_through_its_states(bench: Bench) -> None:
    """pending, ready, valid (RFC 8555 section 7.1.6); the chain can be collected."""
    order = bench.ca.new_order([DOMAIN])
    assert order.status in {"pending", "ready"}
    assert order.url
    assert len(order.authorization_urls) == 1
    done = bench.issued(DOMAIN)
    assert done.certificate_url
    assert bench.ca.collect(done.certificate_url)


def test_answering_twice_does_no_harm(bench: Bench) -> None:
    """A challenge that was answered may be answered again."""
    order = bench.ca.new_order(["twice.example.test"])
    authorization = bench.ca.read_authorization(order.authorization_urls[0])
    assert authorization.status == "pending"
    assert authorization.txt_name == "_acme-challenge.twice.example.test"
    bench.show(authorization.txt_name, authorization.txt_value)
    bench.ca.answer(authorization.challenge_url)
    bench.until(order, "ready")
    bench.ca.answer(authorization.challenge_url)


def test_a_failed_validation_says_which_name_and_why(bench: Bench) -> None:
    """The order becomes invalid, and its authorization holds the CA's words."""
    order = bench.ca.new_order(["wrong.example.test"])
    authorization = bench.ca.read_authorization(order.authorization_urls[0])
    bench.ca.answer(authorization.challenge_url)
    bench.until(order, "invalid")
    failed = bench.ca.read_authorization(order.authorization_urls[0])
    assert failed.status == "invalid"
    assert failed.problem_type in {"unauthorized", "dns"}
    assert failed.problem


def test_finalizing_too_early_is_no_error(bench: Bench) -> None:
    """``orderNotReady`` is answered by an order that must be read again."""
    order = bench.ca.new_order(["early.example.test"])
    if order.status == "pending":
        seen = bench.ca.finalize(order.finalize_url, bench.csr(("early.example.test",)))
        assert seen.status in {"pending", "processing"}
        assert bench.ca.read_order(order.url).status == "pending"


@pytest.mark.lab("pebble-current")
def test_renewal_information_has_a_window(bench: Bench) -> None:
    """A window with an end after its start, and a wait between a minute and a day (RFC 9773 section 4.2)."""
    done = bench.issued("ari.example.test")
    chain = bench.ca.collect(done.certificate_url)
    if isinstance(bench.ca, ModelCa):
        ari_id = bench.ca.signed(chain, Secret("k"), "l", "model", NOW).ari_id
    else:
        ari_id = read_certificate(chain, Secret("k"), link="l", issuer="pebble", issued_at=NOW).ari_id
    advice = bench.ca.renewal_information(ari_id)
    assert advice.end > advice.start
    assert timedelta(minutes=1) <= advice.retry_after <= timedelta(days=1)
    assert bench.ca.new_order(["ari.example.test"], replaces=ari_id).url


# ------------------------------------------------------------------------------------ the real adapter alone


@pytest.mark.lab("pebble")
def test_the_account_is_found_again(pebble: tuple[Pebble, TxtServer]) -> None:
    """With the same key no second account is made; a key is remembered before the CA hears of it."""
    made, _ = pebble
    accounts = MemoryAccounts()
    for _ in range(2):
        ca = authority(made.directory, ca_file=str(made.ca_file), accounts=accounts)
        ca.new_order([DOMAIN])
    (account,) = accounts.kept.values()
    url = account.url
    accounts.keep_account(replace(account, url=""))
    authority(made.directory, ca_file=str(made.ca_file), accounts=accounts).new_order([DOMAIN])
    assert accounts.kept[made.directory].url == url


@pytest.mark.lab("pebble")
def test_an_account_that_the_ca_forgot_is_registered_anew(tmp_path: Path) -> None:
    """Pebble restarted has lost everything: the same key is registered once more, the order is made."""
    names = TxtServer()
    made = Pebble(tmp_path, dns=f"127.0.0.1:{names.port}")
    with made:
        accounts = MemoryAccounts()
        ca = authority(made.directory, ca_file=str(made.ca_file), accounts=accounts)
        ca.new_order([DOMAIN])
        key = accounts.kept[made.directory].key
        made.stop()
        made.start()
        again = authority(made.directory, ca_file=str(made.ca_file), accounts=accounts)
        assert again.new_order([DOMAIN]).url
        assert accounts.kept[made.directory].key == key
    names.close()


@pytest.mark.lab("pebble")
def test_external_account_binding(tmp_path: Path) -> None:
    """A CA that wants it gets it; without it, its refusal names the way out."""
    secret = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    with Pebble(tmp_path, dns="127.0.0.1:9", eab={"kid-1": secret}) as made:
        with pytest.raises(AcmeProblem) as refused:
            authority(made.directory, ca_file=str(made.ca_file)).new_order([DOMAIN])
        assert refused.value.type == "externalAccountRequired"
        assert "eab" in refused.value.hint
        bound = authority(made.directory, ca_file=str(made.ca_file), eab=("kid-1", secret))
        assert bound.new_order([DOMAIN]).url


@pytest.mark.lab("pebble")
def test_terms_are_agreed_by_the_operator(pebble: tuple[Pebble, TxtServer]) -> None:
    """certd never agrees by itself."""
    made, _ = pebble
    with pytest.raises(ConfigurationError) as refused:
        authority(made.directory, ca_file=str(made.ca_file), terms_agreed=False).new_order([DOMAIN])
    assert "terms_agreed" in str(refused.value)


@pytest.mark.lab("pebble-current")
def test_a_refused_name_and_profile(pebble: tuple[Pebble, TxtServer]) -> None:
    """The CA's words come through; a profile that is not offered is refused before an order is made."""
    made, _ = pebble
    ca = authority(made.directory, ca_file=str(made.ca_file))
    with pytest.raises(AcmeProblem, match="forbidden by policy") as refused:
        ca.new_order(["blocked.example"])
    assert refused.value.type == "rejectedIdentifier"
    with pytest.raises(AcmeProblem, match="offered: default") as unknown:
        ca.new_order([DOMAIN], profile="tlsserver")
    assert unknown.value.type == "invalidProfile"


@pytest.mark.lab("pebble")
def test_replaces_that_the_ca_minds_is_left_out(pebble: tuple[Pebble, TxtServer]) -> None:
    """An identifier that the CA does not know costs one more request, not the order."""
    made, _ = pebble
    ca = authority(made.directory, ca_file=str(made.ca_file))
    assert ca.new_order([DOMAIN], replaces="bm9uZQ.bm9uZQ").url


@pytest.mark.lab("pebble")
def test_half_of_the_nonces_refused_and_eight_threads(tmp_path: Path) -> None:
    """40 certificates by eight threads through a CA that refuses every other good nonce: none fails."""
    names = TxtServer()
    with Pebble(tmp_path, dns=f"127.0.0.1:{names.port}", nonce_reject=50) as made:
        ca = authority(made.directory, ca_file=str(made.ca_file))
        key = make_key("ecdsa-p256")
        bench = Bench(ca, names.add, lambda: time.sleep(0.05), lambda domains: csr_der(key, domains))

        def one(number: int) -> str:
            done = bench.issued(f"n{number}.example.test")
            return ca.collect(done.certificate_url)

        with ThreadPoolExecutor(8) as pool:
            chains = list(pool.map(one, range(40)))
        assert len(set(chains)) == 40
    names.close()

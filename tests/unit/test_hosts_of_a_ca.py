"""A CA leads certd to its own hosts and to those of ``allowed_hosts``, and asks for no more proofs than names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from certd.acme.account import Registration
from certd.acme.account_keys import as_jwk, new_account_key
from certd.acme.issuer import AcmeIssuer
from certd.acme.session import POST_SECONDS, Session, Signer
from certd.config.choices import known_choices
from certd.config.files import Reading
from certd.config.issuers import issuers_of
from certd.config.schema import IssuerTable
from certd.errors import AcmeProblem, AcmeUnreachable
from certd.issuance.deps import IssuanceDeps
from certd.issuance.new_order import STEP_SECONDS, begin
from certd.model import Authorization
from certd.ports import OrderSeen
from certd.system.egress import Egress, Response
from certd.wiring.issuers import Issuers
from tests.lab.certificates import make_ca

HOME = "https://ca.example/directory"
ELSEWHERE = "https://internal.example/x"
RESOURCES = ("newNonce", "newAccount", "newOrder", "renewalInfo", "revokeCert", "keyChange")
DIRECTORY = {resource: f"https://ca.example:14000/{resource}" for resource in RESOURCES}
ORDER = {
    "status": "pending",
    "finalize": "https://ca.example/finalize",
    "authorizations": ["https://ca.example/authz"],
}
CHALLENGE = {"type": "dns-01", "url": "https://ca.example/chall", "token": "dG9rZW4tb2YtdGhpcy1jaGFsbGVuZ2UtYQ"}
AUTHORIZATION = {
    "identifier": {"type": "dns", "value": "a.example"},
    "status": "pending",
    "challenges": [CHALLENGE],
}
OURS, OTHER = make_ca("Ours").pem, make_ca("Other").pem


class Server:
    """Answers by path, and a record of every URL that was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {"directory": DIRECTORY} | answers
        self.asked: list[str] = []
        self.headers: dict[str, str] = {}
        self.links: dict[str, tuple[str, ...]] = {}
        self.status = 200

    def send(self, method: str, url: str, **_: object) -> Response:
        self.asked.append(url)
        body = self.answers.get(url.rpartition("/")[2], {})
        headers = {"replay-nonce": "bm9uY2U"} | self.headers
        content = body if isinstance(body, str) else json.dumps(body)
        return Response(status=self.status, headers=headers, body=content.encode(), links=self.links)

    def close(self) -> None:
        """Nothing is open."""


class Account:
    """An account that exists."""

    def signer(self) -> Signer:
        return Signer(as_jwk(new_account_key()), "https://ca.example/account")

    def has_changed(self, signer: Signer) -> bool:
        return False


def session_to(server: Server, *allowed: str, directory: str = HOME) -> Session:
    return Session("corp", directory, cast(Egress, server), allowed_hosts=allowed)


def issuer_at(server: Server, *allowed: str) -> AcmeIssuer:
    return AcmeIssuer(session_to(server, *allowed), cast(Registration, Account()))


# ---------------------------------------------------------------------------------------- hosts

REFUSED = {
    "another host": ELSEWHERE,
    "a host that only begins so": "https://ca.example.evil.example/x",
    "a host below": "https://evil.ca.example/x",
    "a host behind a user": "https://ca.example@internal.example/x",
    "two readings of a backslash": "https://internal.example\\@ca.example/x",
    "an address": "https://169.254.169.254/latest",
    "without TLS": "http://ca.example/x",
    "no URL": "ca.example/x",
    "a line break": "https://ca.example/x\r\ny",
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_url_that_leads_elsewhere(case: str) -> None:
    """It is refused before anything is sent."""
    server = Server()
    with pytest.raises(AcmeUnreachable) as refused:
        session_to(server).get(REFUSED[case])
    assert server.asked == []
    assert "corp" in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://ca.example/x", "https://CA.example:14000/x", "https://ca.example./x", "https://api.example/x"]
)
def test_a_url_at_the_cas_hosts(url: str) -> None:
    """The host of the directory on any port, and those that the configuration allows."""
    server = Server(x={"fine": True})
    assert session_to(server, "API.example").get(url).status == 200


def test_without_tls_only_where_the_directory_is() -> None:
    """A lab's directory at plain HTTP leads to its own host alone."""
    server = Server()
    session = session_to(server, directory="http://127.0.0.1:14000/directory")
    assert session.get("http://127.0.0.1:14001/x").status == 200
    with pytest.raises(AcmeUnreachable):
        session.get("http://127.0.0.2:14001/x")
    with pytest.raises(AcmeUnreachable):
        session_to(server, "api.example", directory="http://127.0.0.1:14000/directory").get("http://api.example/x")


def test_the_error_names_host_issuer_and_key() -> None:
    """What to do is in the hint."""
    with pytest.raises(AcmeUnreachable) as refused:
        session_to(Server()).get(ELSEWHERE)
    assert "internal.example" in str(refused.value)
    assert "issuer.corp.allowed_hosts" in refused.value.hint
    assert "internal.example" in refused.value.hint


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_directory_that_leads_elsewhere(resource: str) -> None:
    """No resource of it is asked at a foreign host."""
    server = Server(directory=DIRECTORY | {resource: ELSEWHERE})
    authority = issuer_at(server)
    server.headers["location"] = "https://ca.example/order"
    server.answers["newOrder"] = ORDER
    session = authority.session
    asking: dict[str, Callable[[], object]] = {
        "renewalInfo": lambda: authority.renewal_information("a.b"),
        "revokeCert": lambda: authority.revoke(OURS, 0),
        "keyChange": lambda: session.post(session.url_of(resource), b"{}", Account().signer()),
    }
    ask = asking.get(resource, lambda: authority.new_order(["a.example"]))
    with pytest.raises((AcmeUnreachable, AcmeProblem)):
        ask()
    assert not any("internal" in url for url in server.asked)


FOREIGN_ORDERS: Mapping[str, tuple[dict[str, Any], str]] = {
    "the order itself": (ORDER, ELSEWHERE),
    "an authorization": (ORDER | {"authorizations": [ELSEWHERE]}, "https://ca.example/order"),
    "finalize": (ORDER | {"finalize": ELSEWHERE}, "https://ca.example/order"),
    "the certificate": (ORDER | {"certificate": ELSEWHERE}, "https://ca.example/order"),
}


@pytest.mark.parametrize("case", FOREIGN_ORDERS)
def test_an_order_that_leads_elsewhere(case: str) -> None:
    """It is refused as a failure of this order, so that each try waits longer: the CA's limits are not used up."""
    body, location = FOREIGN_ORDERS[case]
    server = Server(newOrder=body)
    server.headers["location"] = location
    with pytest.raises(AcmeProblem) as refused:
        issuer_at(server).new_order(["a.example"])
    assert "issuer.corp.allowed_hosts" in refused.value.hint
    # A type that poll.py would take for a lost order would have it ordered again at once.
    assert refused.value.type not in {"malformed", "gone", "accountDoesNotExist"}
    assert issuer_at(server, "internal.example").new_order(["a.example"]).status == "pending"


def test_a_challenge_that_leads_elsewhere() -> None:
    """It is refused before its value is published."""
    server = Server(authz=AUTHORIZATION | {"challenges": [CHALLENGE | {"url": ELSEWHERE}]})
    with pytest.raises(AcmeProblem):
        issuer_at(server).read_authorization("https://ca.example/authz")


def test_an_alternate_that_leads_elsewhere() -> None:
    """It is passed over, and the chain at hand is taken."""
    server = Server(cert=OURS, x=OTHER)
    server.links = {"alternate": (ELSEWHERE,)}
    assert issuer_at(server).collect("https://ca.example/cert", preferred_chain="Other") == OURS
    assert ELSEWHERE not in server.asked
    allowed = issuer_at(server, "internal.example")
    assert allowed.collect("https://ca.example/cert", preferred_chain="Other") == OTHER


# ---------------------------------------------------------------------------------------- as many as names


class Authority:
    """A CA that asks for proofs, each after some seconds."""

    def __init__(self, urls: list[str], clock: SimpleNamespace, seconds: float = 0.0) -> None:
        self.urls, self.clock, self.seconds = urls, clock, seconds
        self.read: list[str] = []

    def account(self) -> str:
        return "https://ca.example/account"

    def new_order(self, domains: list[str], **_: object) -> OrderSeen:
        return OrderSeen(
            url="https://ca.example/order",
            status="pending",
            finalize_url="https://ca.example/finalize",
            authorization_urls=tuple(self.urls),
            expires=None,
        )

    def read_authorization(self, url: str) -> Authorization:
        self.read.append(url)
        self.clock.seconds += self.seconds
        name = url.rpartition("/")[2]
        return Authorization(
            url=url,
            identifier=name,
            status="valid",
            wildcard=False,
            challenge_url="",
            txt_name="",
            txt_value="",
            problem_type="",
            problem="",
        )


def tried(authority: Authority, domains: tuple[str, ...]) -> Exception:
    """What ``begin`` raises."""
    issuer = SimpleNamespace(name="corp", profile="")
    desired = SimpleNamespace(spec=SimpleNamespace(domains=domains, dns="dns"), issuer=issuer)
    action = SimpleNamespace(staging="", profile="", replaces="", because="")
    clock = SimpleNamespace(monotonic=lambda: authority.clock.seconds)
    means = SimpleNamespace(authority=lambda name: authority, clock=clock)
    with pytest.raises(Exception) as raised:
        begin(cast(IssuanceDeps, means), cast(Any, action), cast(Any, desired), cast(Any, None))
    return raised.value


def test_more_authorizations_than_names() -> None:
    """None of them is read. A wildcard is a name of its own."""
    authority = Authority([f"https://ca.example/authz/{n}/a.example" for n in range(3)], SimpleNamespace(seconds=0.0))
    error = tried(authority, ("a.example", "*.a.example"))
    assert isinstance(error, AcmeProblem)
    assert "3" in str(error)
    assert "2" in str(error)
    assert authority.read == []


def test_a_stranger_among_them_ends_the_reading() -> None:
    """The next ones are not asked."""
    urls = ["https://ca.example/authz/evil.example", "https://ca.example/authz/a.example"]
    authority = Authority(urls, SimpleNamespace(seconds=0.0))
    error = tried(authority, ("a.example", "b.example"))
    assert isinstance(error, AcmeProblem)
    assert "evil.example" in str(error)
    assert len(authority.read) == 1


def test_one_deadline_for_all_of_them() -> None:
    """A CA that answers each in 40 seconds does not hold a worker for an hour."""
    names = tuple(f"{n}.example" for n in range(100))
    authority = Authority([f"https://ca.example/authz/{name}" for name in names], SimpleNamespace(seconds=0.0), 40.0)
    error = tried(authority, names)
    assert isinstance(error, AcmeUnreachable)
    assert authority.clock.seconds <= STEP_SECONDS + 40.0


def test_one_deadline_for_refused_nonces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that refuses each nonce slowly is given up after a minute and a half, not after twenty tries."""
    now = [0.0]
    monkeypatch.setattr("certd.acme.session.time", SimpleNamespace(monotonic=lambda: now[0]))
    server = Server(newOrder={"type": "urn:ietf:params:acme:error:badNonce", "detail": "no"})
    session = session_to(server)
    session.directory()
    send = server.send

    def slow(method: str, url: str, **options: object) -> Response:
        now[0] += 40.0
        return send(method, url, **options)

    server.send = slow  # type: ignore[method-assign]
    server.status = 400
    with pytest.raises(AcmeProblem):
        session.post("https://ca.example/newOrder", b"{}", Account().signer())
    assert now[0] <= POST_SECONDS + 80.0


# ---------------------------------------------------------------------------------------- the configuration


def test_the_adapter_has_what_the_configuration_allows() -> None:
    """``allowed_hosts`` reaches the conversation."""
    corp = SimpleNamespace(
        directory=HOME,
        ca_file="",
        terms_agreed=True,
        contact=(),
        eab_kid="",
        eab_hmac="",
        allowed_hosts=("internal.example",),
    )
    server = Server()
    issuers = Issuers(
        cast(Any, SimpleNamespace(issuers={"corp": corp})),
        cast(Any, SimpleNamespace(accounts=None)),
        lambda ca_file: cast(Egress, server),
        cast(Any, None),
    )
    adapter = cast(AcmeIssuer, issuers.get("corp"))
    assert adapter.session.get(ELSEWHERE).status == 200


def test_an_order_at_a_host_that_the_ca_has_left_is_gone() -> None:
    """The configuration moved the directory: the order is gone, and the CA is not away."""
    server = Server()
    with pytest.raises(AcmeProblem) as caught:
        issuer_at(server).read_order("https://old.example/order/1")
    assert (caught.value.type, caught.value.status) == ("malformed", 404)
    assert server.asked == []


def test_zerossl_has_its_renewal_information_at_another_host(tmp_path: Path) -> None:
    """That is built in; what the operator adds is added to it, and a directory of one's own has nothing of it."""
    path = tmp_path / "certd.toml"
    issuers = issuers_of(Reading(path=path, vocabulary=known_choices(), environment={}), {})
    assert issuers["zerossl"].allowed_hosts == ("ari.trust-provider.com",)
    table = IssuerTable.model_validate({"allowed_hosts": ["more.example"]})
    said = {"zerossl": table, "letsencrypt": IssuerTable(directory="https://acme.example/d")}
    issuers = issuers_of(Reading(path=path, vocabulary=known_choices(), environment={}), said)
    assert issuers["zerossl"].allowed_hosts == ("ari.trust-provider.com", "more.example")
    assert issuers["letsencrypt"].allowed_hosts == ()

"""A refusal is judged by the request that was refused: the adapter says which one it was."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from certd.acme.account import Account
from certd.acme.account_admin import AccountAdmin
from certd.acme.account_keys import new_account_key
from certd.acme.issuer import AcmeIssuer
from certd.errors import AcmeProblem, AcmeRequest
from certd.planning.acme_errors import refusal_for
from tests.lab.acme_client import MemoryAccounts, authority
from tests.lab.rude import Answer, Rude, http, problem
from tests.lab.scene import DOMAIN

NO = problem("401 Unauthorized", "unauthorized", "no")


def refuse(method: str, path: str) -> bytes:
    return NO


def ca_at(rude: Rude, accounts: MemoryAccounts | None = None) -> AcmeIssuer:
    """The real adapter towards a rude server whose directory has everything."""
    names = ("newNonce", "newAccount", "newOrder", "keyChange", "revokeCert")
    paths = ("nonce", "account", "order", "key", "revoke")
    body = json.dumps({name: f"{rude.url}/{path}" for name, path in zip(names, paths, strict=True)}).encode()
    rude.answer({"/dir": lambda method, path: http("200 OK", body, Content_Type="application/json")})
    return authority(f"{rude.url}/dir", accounts=accounts)


REQUESTS: dict[AcmeRequest, tuple[str, Callable[[AcmeIssuer, str], object]]] = {
    AcmeRequest.NEW_ACCOUNT: ("/account", lambda ca, url: ca.account()),
    AcmeRequest.NEW_ORDER: ("/order", lambda ca, url: ca.new_order([DOMAIN])),
    AcmeRequest.ORDER: ("/it", lambda ca, url: ca.read_order(url)),
    AcmeRequest.AUTHORIZATION: ("/it", lambda ca, url: ca.read_authorization(url)),
    AcmeRequest.CHALLENGE: ("/it", lambda ca, url: ca.answer(url)),
    AcmeRequest.FINALIZE: ("/it", lambda ca, url: ca.finalize(url, b"csr")),
    AcmeRequest.CERTIFICATE: ("/it", lambda ca, url: ca.collect(url)),
    AcmeRequest.KEY_CHANGE: ("/key", lambda ca, url: AccountAdmin(ca.session, ca.registration).roll_over()),
}


@pytest.mark.parametrize("asked", REQUESTS)
def test_a_refusal_says_which_request_it_refuses(asked: AcmeRequest) -> None:
    """Whatever is asked of the CA."""
    path, ask = REQUESTS[asked]
    fine = http("200 OK", b'{"status": "valid"}', Replay_Nonce="bm9uY2U")
    answers: dict[str, Answer] = {path: refuse, "/account/1": lambda method, path: fine}
    with Rude(answers) as rude:
        ca = ca_at(rude)
        if asked is not AcmeRequest.NEW_ACCOUNT:
            ca.account()
        with pytest.raises(AcmeProblem) as refused:
            ask(ca, f"{rude.url}/it")
    assert refused.value.request is asked


def test_what_stands_inside_an_order_is_about_its_validation() -> None:
    """An error member is no refusal of the request that read it."""
    body = {"status": "invalid", "authorizations": [], "error": {"type": "urn:ietf:params:acme:error:unauthorized"}}
    answer = http("200 OK", json.dumps(body).encode(), Replay_Nonce="bm9uY2U")
    with Rude({"/it": lambda method, path: answer}) as rude:
        assert ca_at(rude).read_order(f"{rude.url}/it").problem_type == "unauthorized"


@pytest.mark.parametrize(
    ("answer", "has_ended"),
    [
        (problem("401 Unauthorized", "unauthorized", "account is not active"), True),
        (problem("403 Forbidden", "unauthorized", "in words that nobody has heard yet"), True),
        (http("200 OK", b'{"status": "deactivated"}', Replay_Nonce="bm9uY2U"), True),
        (http("200 OK", b'{"status": "valid"}', Replay_Nonce="bm9uY2U"), False),
        (problem("429 Too Many", "rateLimited", "slowly"), False),
    ],
)
def test_whether_an_account_has_ended(answer: bytes, has_ended: bool) -> None:
    """The CA is asked for the account itself, which it refuses to no account but one that has ended."""
    with Rude({"/account/1": lambda method, path: answer}) as rude:
        assert ca_at(rude).account_has_ended() is has_ended


def test_an_account_that_has_ended_can_be_deactivated() -> None:
    """The CA refuses it whatever is asked (RFC 8555 section 7.3.6): the end that was wanted is reached."""
    accounts = MemoryAccounts()
    with Rude({"/account/1": refuse}) as rude:
        ca = ca_at(rude, accounts)
        ca.account()
        AccountAdmin(ca.session, ca.registration).deactivate()
    assert not accounts.kept


def test_a_refused_deactivation_keeps_the_account() -> None:
    """The CA that refuses it still shows the account as valid: its key is not given up."""

    def answer(method: str, path: str) -> bytes:
        count["asked"] += 1
        return NO if count["asked"] == 1 else http("200 OK", b'{"status": "valid"}', Replay_Nonce="bm9uY2U")

    count = {"asked": 0}
    accounts = MemoryAccounts()
    with Rude({"/account/1": answer}) as rude:
        ca = ca_at(rude, accounts)
        ca.account()
        with pytest.raises(AcmeProblem):
            AccountAdmin(ca.session, ca.registration).deactivate()
    assert accounts.kept


@pytest.mark.parametrize(
    "answer",
    [
        problem("501 Not Implemented", "rejectedIdentifier", "The requested operation is not implemented"),
        problem("403 Forbidden", "unauthorized", "no"),
        problem("400 Bad Request", "malformed", "no"),
    ],
)
def test_a_refused_key_change_is_over(answer: bytes) -> None:
    """step-ca lists keyChange and does not have it: the account keeps its key, and no change stays begun."""
    fine = http("200 OK", b'{"status": "valid"}', Replay_Nonce="bm9uY2U")
    accounts = MemoryAccounts()
    with Rude({"/key": lambda method, path: answer, "/account/1": lambda method, path: fine}) as rude:
        ca = ca_at(rude, accounts)
        ca.account()
        (before,) = accounts.kept.values()
        tenure = AccountAdmin(ca.session, ca.registration)
        with pytest.raises(AcmeProblem) as refused:
            tenure.roll_over()
        assert refusal_for(refused.value).kind == "keyChangeRefused"
        assert "keeps" in refused.value.hint
        (after,) = accounts.kept.values()
        assert after == before
        seen = tenure.look()
        assert seen is not None
        assert not seen.is_changing


@pytest.mark.parametrize("answer", [NO, problem("500 Oops", "serverInternal", "later")])
def test_a_key_change_that_may_have_happened_stays_begun(answer: bytes) -> None:
    """The CA refuses the change and the old key: it may know the next one, which is kept."""
    accounts = MemoryAccounts()
    with Rude({"/key": lambda method, path: answer, "/account/1": refuse}) as rude:
        ca = ca_at(rude, accounts)
        ca.account()
        with pytest.raises(AcmeProblem):
            AccountAdmin(ca.session, ca.registration).roll_over()
    (after,) = accounts.kept.values()
    assert after.next_key is not None


def test_the_next_key_is_forgotten_only_where_it_is_that_one() -> None:
    """Of two who change it at once, the one that is refused does not forget the other's."""
    accounts = MemoryAccounts()
    first, second = new_account_key(), new_account_key()
    accounts.keep_account(Account(directory="d", key=new_account_key(), url="u"))
    accounts.intend_key("d", first)
    accounts.forget_next_key("d", second)
    assert accounts.kept["d"].next_key == first

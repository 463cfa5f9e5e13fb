"""The contract of a CDN's adapter, over stand-ins of Cloudflare, Fastly and KeyCDN."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from cryptography.hazmat.primitives import serialization

from certd.model import Generation, Leftover, Secret
from certd.model.remote import RemoteSettings
from certd.pki.chain import load_chain
from certd.ports import Outcome, Verdict
from certd.system.egress import Egress
from certd.system.network import Network
from certd.targets.api_target import ApiTarget
from certd.targets.files_target import FilesTarget
from certd.targets.hooks import Renewed
from certd.targets.kind import RemoteMeans
from certd.targets.registry import KINDS as PROXY_KINDS
from tests.lab.cdn import KINDS, PEM, TOKEN, Cdn, Cloudflare, Fastly, KeyCdn, No, edges_of
from tests.lab.certificates import DAY, NOW, Leaf, make_ca, make_leaf
from tests.lab.remote_memory import Memories, Memory

LINK = "link.example.com"
ROOT = make_ca("Root")
UPPER = make_ca("Upper intermediate", ROOT)
CA = make_ca("Intermediate", UPPER)
CHAIN = CA.pem + UPPER.pem
FIRST, SECOND, THIRD = "20261101T000000Z-aaaaaaaa", "20261115T000000Z-bbbbbbbb", "20261130T000000Z-cccccccc"


@dataclass
class Place:
    """One CDN with one link on it."""

    kind: str
    cdn: Cdn
    folder: Path
    memories: Memories = field(default_factory=Memories)
    certificates: dict[str, str] = field(default_factory=dict)
    token: str = TOKEN
    zone: str | None = None

    @property
    def memory(self) -> Memory:
        return self.memories.of("edge", LINK)

    @property
    def target(self) -> ApiTarget:
        zone = self.zone if self.zone is not None else getattr(self.cdn, "zone", "")
        settings = RemoteSettings(zone=zone, token="file:token", api=self.cdn.url, certificates=dict(self.certificates))
        rules = PROXY_KINDS[self.kind].remote
        assert rules is not None
        means = RemoteMeans(
            proxy="edge",
            kind=self.kind,
            settings=settings,
            secret=lambda reference: Secret(self.token),
            egress=lambda: Egress(Network(), user_agent="test"),
            deadline=timedelta(seconds=10),
        )
        files = SimpleNamespace(name="edge", renewed=lambda one: one)
        return ApiTarget(
            files=cast(FilesTarget, files),
            connect=lambda: rules.connect(means),
            remotes=lambda: self.memories,
            write_side=lambda link, domains, memory: rules.own_side(means, link, domains, memory),
            deadline=timedelta(seconds=20),
            settles=rules.settles,
            least_left=rules.least_left,
        )

    def hindrance(self) -> str:
        asked = self.target.may_load("certd")
        return "" if asked.is_granted else asked.words

    def proved(self, generation: str) -> str:
        """The handshake has shown it."""
        one = cast(Generation, SimpleNamespace(name=generation))
        return self.target.remove_replaced({LINK: one}, NOW).get(LINK, "")

    def renewed(self, leaf: Leaf, generation: str, link: str = LINK) -> Renewed:
        folder = self.folder / generation
        folder.mkdir(exist_ok=True)
        (folder / "cert.pem").write_text(leaf.pem)
        (folder / "chain.pem").write_text(CHAIN)
        (folder / "privkey.pem").write_text(leaf.key.reveal())
        return Renewed(link=link, generation=generation, domains=(link,), folder=folder, lineage=folder)

    def ask(self, leaf: Leaf, generation: str) -> Outcome:
        return self.target.reload([cast(Generation, self.renewed(leaf, generation))])

    def objects(self) -> int:
        """Certificates that the CDN holds."""
        match self.cdn:
            case Cloudflare(held=held):
                return len(held)
            case Fastly(certificates=held):
                return len(held)
            case KeyCdn(held=one):
                return int(one is not None)
        raise AssertionError

    def shows(self, leaf: Leaf) -> bool:
        there = self.cdn.served(LINK)
        return there is not None and there.chain == leaf.pem + CHAIN


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with KINDS[request.param]() as cdn:
        yield Place(request.param, cdn, tmp_path)


def good(outcome: Outcome) -> str:
    assert outcome.verdict is Verdict.YES, outcome.words
    return outcome.words


def refused(outcome: Outcome) -> str:
    assert outcome.verdict is Verdict.NO, outcome.words
    return outcome.words


def leaf(**more: object) -> Leaf:
    return make_leaf(CA, LINK, **more)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------- what must work


def test_a_first_certificate_a_renewal_and_the_proof(place: Place) -> None:
    """Leaf and both intermediates in their order; what a renewal replaces is removed after the proof alone."""
    one, two = leaf(), leaf()
    good(place.ask(one, FIRST))
    assert place.shows(one)
    assert place.proved(FIRST) == ""
    good(place.ask(two, SECOND))
    assert place.shows(two)
    there = place.cdn.served(LINK)
    assert there is not None
    assert len(PEM.findall(there.chain)) == 3
    assert place.objects() == (2 if place.kind == "fastly" else 1)
    assert place.proved(SECOND) == ""
    assert place.objects() == 1
    assert not place.memory.left
    assert place.shows(two)


def test_the_same_again_changes_nothing(place: Place) -> None:
    """No upload, no other name."""
    one = leaf()
    good(place.ask(one, FIRST))
    names, before = dict(place.memory.kept), len(place.cdn.asked)
    good(place.ask(one, FIRST))
    assert place.memory.kept == names
    assert [call for call in place.cdn.asked[before:] if not call.startswith("GET ")] == []


MOST_REQUESTS = {"cloudflare": 2, "fastly": 5, "keycdn": 1}


def test_a_renewal_asks_little(place: Place) -> None:
    """Cloudflare one and a read, Fastly five, KeyCDN one; never a list."""
    good(place.ask(leaf(), FIRST))
    place.proved(FIRST)
    before = len(place.cdn.asked)
    good(place.ask(leaf(), SECOND))
    asked = place.cdn.asked[before:]
    assert len(asked) <= MOST_REQUESTS[place.kind], asked
    assert not [call for call in asked if call in {"GET /tls/certificates", "GET /tls/private_keys"}]
    assert not [call for call in asked if call.endswith("/custom_certificates") and call.startswith("GET")]


def test_edges_show_it(place: Place) -> None:
    """A handshake at each of two points of presence shows what was uploaded, with its issuers."""
    one = leaf()
    good(place.ask(one, FIRST))
    trust = ssl.create_default_context(cadata=ROOT.pem)
    with edges_of(place.cdn) as edges:
        for edge in edges:
            with (
                socket.create_connection(("127.0.0.1", edge.port), timeout=10) as connection,
                trust.wrap_socket(connection, server_hostname=LINK) as tls,
            ):
                shown = tls.getpeercert(binary_form=True)
            assert shown == load_chain(one.pem)[0].public_bytes(serialization.Encoding.DER)


# ---------------------------------------------------------------------------------------- lost answers, kills


@pytest.mark.parametrize("how", ["lose", "drop"])
@pytest.mark.parametrize("first", [True, False], ids=["first", "renewal"])
def test_an_answer_that_is_lost_at_each_call(place: Place, tmp_path: Path, how: str, first: bool) -> None:
    """The change was made and nobody heard of it, or it was not made: asked again it ends served, with one certificate,
    and nothing was uploaded twice.
    """
    for number in range(1, 8):
        (tmp_path / str(number)).mkdir()
        with KINDS[place.kind]() as cdn:
            here = Place(place.kind, cdn, tmp_path / str(number))
            if not first:
                good(here.ask(leaf(), FIRST))
                here.proved(FIRST)
            before = len(cdn.asked)
            getattr(cdn, how).add(before + number)
            two = leaf()
            outcome = here.ask(two, SECOND)
            if len(cdn.asked) - before < number:
                break
            # Its own HTTP client may ask once more by itself where a connection was cut.
            if outcome.verdict is Verdict.NO:
                good(here.ask(two, SECOND))
            assert here.shows(two), number
            assert here.proved(SECOND) == ""
            assert here.objects() == 1, (number, cdn.asked[before:])
            if isinstance(cdn, Fastly):
                assert len(cdn.keys) == 1, number
                assert set(cdn.activations) and len(cdn.activations) == 1
    assert number > 1


def test_a_process_that_dies_at_each_write(place: Place, tmp_path: Path) -> None:
    """Between an answer and its memory, at each write of a renewal: the next process ends it, with one certificate."""
    for number in range(1, 12):
        (tmp_path / f"w{number}").mkdir()
        with KINDS[place.kind]() as cdn:
            here = Place(place.kind, cdn, tmp_path / f"w{number}")
            good(here.ask(leaf(), FIRST))
            here.proved(FIRST)
            two = leaf()
            here.memory.writes, here.memory.fail_at = 0, number
            try:
                here.ask(two, SECOND)
            except KeyboardInterrupt:
                here.memory.fail_at = 0
            else:
                break
            good(here.ask(two, SECOND))
            assert here.shows(two), number
            assert here.proved(SECOND) == ""
            assert here.objects() == 1, number
    assert number > 1


def test_a_renewal_that_overtakes_an_unfinished_one(place: Place) -> None:
    """What was uploaded for a generation that never became active is removed, too, once a later one is proved."""
    good(place.ask(leaf(), FIRST))
    place.proved(FIRST)
    before = len(place.cdn.asked)
    place.cdn.drop.add(before + (3 if place.kind == "fastly" else 1))
    place.ask(leaf(), SECOND)
    three = leaf()
    good(place.ask(three, THIRD))
    assert place.shows(three)
    assert place.proved(THIRD) == ""
    assert place.objects() == 1


def test_what_is_not_proved_removes_nothing(place: Place) -> None:
    """The proof of an older generation leaves the leftovers of a newer one, and going back keeps what is current."""
    good(place.ask(leaf(), FIRST))
    good(place.ask(leaf(), SECOND))
    left = list(place.memory.left)
    place.proved(FIRST)
    assert place.memory.left == left
    if place.kind == "fastly":
        assert left


# ---------------------------------------------------------------------------------------- what is somebody else's


def test_a_strangers_certificate_is_left_alone(place: Place) -> None:
    """For the same names, and not uploaded by certd: refused with the way out, which works."""
    if place.kind == "keycdn":
        pytest.skip("a KeyCDN zone has one certificate, and the zone is named by the configuration")
    theirs = leaf()
    stranger = Place(place.kind, place.cdn, place.folder)
    good(stranger.ask(theirs, "20260101T000000Z-dddddddd"))
    mine = leaf(life=60 * DAY)
    words = refused(place.ask(mine, FIRST))
    assert "certd did not upload" in words
    assert f'proxy.edge.{place.kind}.certificates."{LINK}" = "' in words
    assert place.shows(theirs)
    place.certificates[LINK] = words.rpartition('= "')[2].split('"')[0]
    good(place.ask(mine, FIRST))
    assert place.shows(mine)


# ---------------------------------------------------------------------------------------- refusals


def test_the_token_and_the_rights(place: Place) -> None:
    """Who must do what; nothing was changed, and a check asks for nothing else."""
    place.token = "wrong"
    assert "does not accept the token" in refused(place.ask(leaf(), FIRST))
    assert "does not accept the token" in place.hindrance()
    place.token = TOKEN
    assert place.hindrance() == ""
    place.cdn.answers = [No(403, {"errors": [{"code": 9109, "message": "Unauthorized", "detail": "no rights"}]})] * 2
    outcome = place.ask(leaf(), FIRST)
    assert any(word in refused(outcome) for word in ("permission", "may not change"))
    assert outcome.of(LINK).again_after >= timedelta(hours=1)
    assert place.objects() == 0
    assert {call.split()[0] for call in place.cdn.asked if "tls" not in call} <= {"GET", "PUT", "POST"}


def test_a_rate_limit_is_obeyed(place: Place) -> None:
    """For every link, as long as it says; the second link is not asked for."""
    place.cdn.answers = [No(429, {}, {"Retry-After": "120"})]
    outcome = place.target.reload(
        [
            cast(Generation, place.renewed(leaf(), FIRST)),
            cast(Generation, place.renewed(leaf(), SECOND, "other.example.com")),
        ]
    )
    assert len(place.cdn.asked) == 1
    assert outcome.of("other.example.com").again_after == timedelta(seconds=120)
    assert "asks certd to wait" in refused(outcome)


@pytest.mark.parametrize(
    "body", [{}, {"result": []}, {"data": []}, {"data": {}}, {"success": True, "result": {"id": 5}}]
)
def test_odd_answers_are_words(place: Place, body: dict[str, object]) -> None:
    """Another shape than the API documents is a no in words; nobody's certificate is taken for uploaded."""
    place.cdn.answers = [No(200, body)] * 9
    words = refused(place.ask(leaf(), FIRST))
    assert "Traceback" not in words
    assert len(words) < 1000


REFUSED = {
    "cloudflare": [
        (No(400, {"errors": [{"code": 1212, "message": "quota"}]}), "no room for another custom certificate"),
        (No(400, {"errors": [{"code": 1011, "message": "plan"}]}), "Business or Enterprise plan"),
        (No(400, {"errors": [{"code": 2103, "message": "zone"}]}), "must be the zone of the link's names"),
    ],
    "fastly": [
        (No(400, {"errors": [{"detail": "tls_domain has already been taken"}]}), "a subscription of Fastly's own"),
    ],
    "keycdn": [(No(413, {"description": "too large"}), "the chain is too long")],
}


@pytest.mark.parametrize(
    ("kind", "number"), [(kind, number) for kind, rows in REFUSED.items() for number in range(len(rows))]
)
def test_what_a_person_must_change_waits(kind: str, number: int, tmp_path: Path) -> None:
    """Said with the way out, and not asked again within the hour."""
    answer, words = REFUSED[kind][number]
    with KINDS[kind]() as cdn:
        here = Place(kind, cdn, tmp_path)
        reads = {"cloudflare": 1, "fastly": 0, "keycdn": 0}[kind]
        cdn.answers = [No(200, {"success": True, "result": []})] * reads + [answer]
        outcome = here.ask(leaf(), FIRST)
        assert words in refused(outcome)
        assert outcome.of(LINK).again_after >= timedelta(hours=1)


def test_fourteen_days_at_cloudflare(tmp_path: Path) -> None:
    """What ends sooner is not even sent."""
    with Cloudflare() as cdn:
        here = Place("cloudflare", cdn, tmp_path)
        words = refused(here.ask(leaf(start=NOW - 80 * DAY, life=90 * DAY), FIRST))
        assert "takes nothing that ends within 14 days" in words
        assert cdn.asked == []


def test_a_wrong_zone(place: Place) -> None:
    """The key that names it is in the words."""
    if place.kind == "fastly":
        pytest.skip("Fastly has no zones")
    place.zone = "999"
    assert "proxy.edge." in refused(place.ask(leaf(), FIRST)) + place.hindrance()


# ---------------------------------------------------------------------------------------- secrets


def test_no_key_and_no_token_in_words_and_logs(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Through every path: good, lost, refused, odd, with the provider's answers quoting the key, at DEBUG."""
    caplog.set_level(logging.DEBUG)
    one = leaf()
    key = one.key.reveal()
    secrets = [line for line in key.splitlines() if len(line) > 30] + [TOKEN]
    said = [good(place.ask(one, FIRST)), place.hindrance()]
    quoting = {"status": "error", "description": key, "errors": [{"code": 1, "message": key, "detail": key}]}
    for answer in (No(200, quoting), No(400, quoting), No(403, quoting), No(404, quoting), No(500, quoting)):
        place.cdn.answers = [answer] * 3
        outcome = place.ask(one, SECOND)
        said += [outcome.words, repr(outcome), place.hindrance()]
        place.cdn.answers = []
    place.cdn.lose.add(len(place.cdn.asked) + 1)
    said.append(repr(place.ask(one, SECOND)))
    said.append(repr(place.target))
    everything = "\n".join([*said, caplog.text])
    assert [secret for secret in secrets if secret in everything] == []


def test_the_operators_side(place: Place) -> None:
    """What is set once, with the names and without any secret."""
    said = place.target.own_side(LINK, (LINK,), lambda pointer, folder: "")
    assert f"# {LINK} on edge: certd uploads to " in said
    assert "ache" in said
    assert TOKEN not in said
    assert Leftover(role="certificate", name="x", generation=FIRST) not in place.memory.left


@pytest.mark.parametrize("name", ["", "\x7f", "a/b", "x" * 500, "1\n2", "../zones"])
def test_an_id_that_is_none(place: Place, name: str) -> None:
    """It becomes no path, no memory and no word."""
    if place.kind == "keycdn":
        pytest.skip("a KeyCDN zone has no ids")
    good_list = No(200, {"success": True, "result": [], "data": []})
    answer = No(200, {"success": True, "result": {"id": name}, "data": {"id": name}})
    place.cdn.answers = [good_list, answer] if place.kind == "cloudflare" else [answer]
    words = refused(place.ask(leaf(), FIRST))
    assert "its answer has no id" in words
    assert [kept for role, kept in place.memory.kept.items() if role != "begun"] == []

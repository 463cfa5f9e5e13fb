"""HAProxy's runtime API where it does not do as told: the fallback reloads, and nothing half-done stays open."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from certd.ports import Outcome, Verdict
from certd.targets.haproxy import HaproxySocket
from certd.targets.hooks import Renewed
from certd.targets.pointers import HEADER
from certd.targets.reloads import Reload
from tests.lab.certificates import NOW, make_ca, make_leaf

KNOWN = "/certs/proxies/edge/link.example.com.pem"


@dataclass
class Fallback(Reload):
    """Counts."""

    permitted: bool = True
    asked: int = 0

    def ask(self, renewed: Sequence[Renewed] = ()) -> Outcome:
        self.asked += 1
        return Outcome(verdict=Verdict.YES, words="reloaded")

    def may(self) -> bool:
        return self.permitted


@dataclass
class Socket:
    """A socket that answers by the beginning of a command."""

    path: Path
    answers: dict[str, str]
    heard: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                said = connection.recv(65536).decode()
                self.heard.append(said)
                found = max((key for key in self.answers if said.startswith(key)), key=len, default="")
                connection.sendall(self.answers.get(found, "").encode())

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


GOOD = {
    "show cli level": "admin\n",
    "show info": "Pid: 7\n",
    "show ssl cert\n": f"# filename\n{KNOWN}\n",
    f"show ssl cert {KNOWN}": "SHA1 FingerPrint: " + "0" * 40 + "\n",
    "set ssl cert": f"Transaction created for certificate {KNOWN}!\n",
    "commit ssl cert": f"Committing {KNOWN}\nSuccess!\n",
    "abort ssl cert": "Transaction aborted!\n",
}

Make = Callable[..., tuple[HaproxySocket, Socket, Fallback]]


@pytest.fixture
def make(short_path: Path) -> Iterator[Make]:
    opened: list[Socket] = []

    def made(answers: dict[str, str], *, permitted: bool = True) -> tuple[HaproxySocket, Socket, Fallback]:
        leaf = make_leaf(make_ca("Root"), "link.example.com", start=NOW - timedelta(hours=1))
        pointer = short_path / "pointer.pem"
        text = HEADER.format(generation="20260101T000000Z-00000000") + leaf.pem + leaf.key.reveal()
        pointer.write_text(text)
        server = Socket(short_path / "admin.sock", {**GOOD, **answers})
        opened.append(server)
        fallback = Fallback(permitted)
        return HaproxySocket(str(server.path), lambda: {KNOWN: pointer}, fallback), server, fallback

    yield made
    for server in opened:
        server.close()


def test_what_differs_is_committed_once(make: Make) -> None:
    """Asking again says nothing of what is known; a HAProxy that was restarted is asked anew."""
    reload, server, fallback = make({})
    assert reload.may()
    assert "1 committed" in reload.ask().words
    assert "0 committed" in reload.ask().words
    server.answers["show info"] = "Pid: 8\n"
    assert "1 committed" in reload.ask().words
    assert fallback.asked == 0
    (payload, _) = [said for said in server.heard if said.startswith("set ssl cert")]
    assert "\n\n" not in payload.rstrip("\n")
    assert payload.endswith("\n\n")
    assert "Written by certd" not in payload


TROUBLES = {
    "a name that it does not know": ({"show ssl cert\n": "# filename\n/other.pem\n"}, "does not name"),
    "the transaction of somebody else": (
        {"show ssl cert\n": f"# transaction\n*/other.pem\n# filename\n{KNOWN}\n"},
        "somebody else's transaction",
    ),
    "an answer about another certificate": (
        {"set ssl cert": "Transaction updated for certificate /other.pem!\n"},
        "/other.pem",
    ),
    "a refused commit": ({"commit ssl cert": "inconsistencies ... Can't commit\n"}, "Can't commit"),
    "silence": ({"set ssl cert": ""}, "answers: nothing"),
    "too few rights": ({"show info": "Permission denied\n"}, "level admin"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_what_the_api_cannot_the_fallback_does(make: Make, name: str) -> None:
    """With the reason in the words; a transaction of ours is not left open."""
    answers, words = TROUBLES[name]
    reload, server, fallback = make(answers)
    outcome = reload.ask()
    assert outcome.verdict is Verdict.YES
    assert words in outcome.words
    assert fallback.asked == 1
    began = any(said.startswith("set ssl cert") for said in server.heard)
    ended = any(said.startswith("abort ssl cert " + KNOWN) for said in server.heard)
    assert began == ended


def test_without_a_fallback_it_is_a_no(make: Make) -> None:
    """In the API's own words."""
    reload, _, _ = make({"commit ssl cert": "Can't commit\n"}, permitted=False)
    outcome = reload.ask()
    assert outcome.verdict is Verdict.NO
    assert "Can't commit" in outcome.words


def test_our_own_open_transaction_is_aborted(make: Make) -> None:
    """One that a crash left."""
    listing = f"# transaction\n*{KNOWN}\n# filename\n{KNOWN}\n"
    reload, server, fallback = make({"show ssl cert\n": listing})
    assert "1 committed" in reload.ask().words
    assert fallback.asked == 0
    assert server.heard[2].startswith("abort ssl cert")


def test_nobody_there(tmp_path: Path) -> None:
    """Said with the path."""
    reload = HaproxySocket(str(tmp_path / "none.sock"), dict, Fallback(permitted=False))
    assert not reload.may()
    assert "does not answer" in reload.ask().words

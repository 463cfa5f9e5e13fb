"""The daemon's socket: verbs are an enum, a stranger's line is refused, a silent client holds nobody up."""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from certd.control import ControlServer, Question, Reply, Verb, ask
from certd.errors import CertdError


@pytest.fixture
def path(short_path: Path) -> Path:
    return short_path / "control.sock"


@pytest.fixture
def asked(path: Path) -> Iterator[list[Question]]:
    """A server that writes down what it was asked."""
    questions: list[Question] = []

    def answer(question: Question) -> Reply:
        questions.append(question)
        if question.links == ("bad",):
            raise CertdError("bad: there is no such link")
        return Reply(fine=True, words="yes", data={"n": 1})

    server = ControlServer(path, answer)
    server.start()
    yield questions
    server.stop()


def raw(path: Path, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(path))
        client.sendall(line)
        client.shutdown(socket.SHUT_WR)
        return client.recv(65536)


def test_a_question_is_answered(path: Path, asked: list[Question]) -> None:
    """Verb, links and force arrive; who asks is the kernel's word."""
    reply = ask(path, Question(verb=Verb.RENEW, links=("a", "b"), force=True))
    assert reply == Reply(fine=True, words="yes", data={"n": 1})
    (question,) = asked
    assert (question.verb, question.links, question.force) == (Verb.RENEW, ("a", "b"), True)
    assert question.by == f"uid {os.getuid()}"


def test_an_error_is_an_answer(path: Path, asked: list[Question]) -> None:
    """In words."""
    assert ask(path, Question(verb=Verb.RENEW, links=("bad",))) == Reply(fine=False, words="bad: there is no such link")


@pytest.mark.parametrize(
    "line",
    [b"hello\n", b"{}\n", b'{"verb": "shutdown"}\n', b'{"verb": "renew", "links": "x"}\n', b"[1]\n", b"[" * 60000,
     b'{"verb": "renew", "links": [1]}\n', b"\xff\xfe\n", b""],
)  # fmt: skip
def test_what_is_no_request_is_refused(path: Path, asked: list[Question], line: bytes) -> None:
    """And the next one is answered."""
    reply = json.loads(raw(path, line))
    assert reply["fine"] is False
    assert "not a request" in reply["words"]
    assert asked == []
    assert ask(path, Question(verb=Verb.PING)) is not None


def test_a_long_line_is_refused(path: Path, asked: list[Question]) -> None:
    """At most 64 KiB."""
    assert b"too long" in raw(path, b"x" * 70_000)


def test_nobody_listens(path: Path) -> None:
    """No socket, or a dead daemon's: there is none."""
    assert ask(path, Question(verb=Verb.PING)) is None
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert ask(path, Question(verb=Verb.PING)) is None


def test_a_dead_daemons_socket_is_replaced(path: Path) -> None:
    """And has the right mode."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = ControlServer(path, lambda question: Reply(fine=True))
    server.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert ask(path, Question(verb=Verb.PING)) == Reply(fine=True)
    server.stop()
    assert not path.exists()


def test_a_daemon_that_does_not_answer(path: Path) -> None:
    """Given up at the deadline."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        started = time.monotonic()
        with pytest.raises(CertdError, match="does not answer"):
            ask(path, Question(verb=Verb.PING), deadline=0.3)
        assert time.monotonic() - started < 2

"""The client's side of the daemon's socket: whatever listens there, an answer or an error comes by the deadline."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from certd.cli.renew_client import is_news
from certd.control.protocol import Question, Reply, Verb, ask
from certd.errors import CertdError
from certd.status.assess import State
from certd.status.follow import Seen, seen_of


@pytest.fixture
def path(short_path: Path) -> Path:
    return short_path / "control.sock"


def test_asking_where_nobody_can_listen(short_path: Path) -> None:
    """An error in words, or nobody."""
    with pytest.raises(CertdError, match="does not answer"):
        ask(short_path / ("x" * 120), Question(verb=Verb.PING))
    assert ask(short_path / "nowhere" / "x", Question(verb=Verb.PING)) is None


@pytest.mark.parametrize("answer", [b"hello\n", b"[1]\n", b'{"fine": true}\n', b"x" * 70_000, b"\xff\n"])
def test_an_answer_that_is_none(path: Path, answer: bytes) -> None:
    """Whatever listens there, it is said and not waited for."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(CertdError, match=r"does not answer|too long"):
            ask(path, Question(verb=Verb.PING), deadline=2)
        thread.join()


@pytest.mark.parametrize("heard", [b"", b'{"fine": tr'], ids=["nothing", "half a line"])
@pytest.mark.parametrize("reads", [True, False], ids=["after the question", "before it was read"])
def test_a_daemon_that_dies_in_the_middle_of_its_answer(path: Path, heard: bytes, reads: bool) -> None:
    """Is none any more, whichever way the kernel says it: whoever asked goes on without it."""

    def dying(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        if reads:
            connection.recv(65536)
        connection.sendall(heard)
        connection.close()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=dying, args=(listener,))
        thread.start()
        assert ask(path, Question(verb=Verb.RENEW, links=("a",) * 4000), deadline=30) is None
        thread.join()


def test_a_daemon_that_drips_is_given_up_at_the_deadline(path: Path) -> None:
    """The deadline is for the whole answer."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        gone = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while not gone.wait(0.05):
                    connection.sendall(b" ")

        thread = threading.Thread(target=serve)
        thread.start()
        started = time.monotonic()
        with pytest.raises(CertdError, match="does not answer"):
            ask(path, Question(verb=Verb.PING), deadline=0.4)
        assert time.monotonic() - started < 200
        gone.set()
        thread.join()


def test_a_queue_that_is_full_is_waited_for(path: Path) -> None:
    """Until the deadline, not beyond it."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(str(path))
        listener.listen(0)
        first.connect(str(path))
        started = time.monotonic()
        with pytest.raises(CertdError, match="does not answer"):
            ask(path, Question(verb=Verb.PING), deadline=0.3)
        assert 0.25 < time.monotonic() - started < 20

        def serve() -> None:
            time.sleep(0.1)
            listener.accept()[0].close()
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b'{"fine": true, "words": "", "data": {}}\n')

        thread = threading.Thread(target=serve)
        thread.start()
        assert ask(path, Question(verb=Verb.PING), deadline=30) == Reply(fine=True)
        thread.join()


def test_what_force_cannot_help_is_news() -> None:
    """The CA said until when it refuses: nobody waits for that in front of a terminal."""
    held = Seen(link="a", state=State.FAILED, failed_at=1.0, because="until then", force_is_vain=True)
    assert is_news(held, {"a": ("", 1.0)})
    assert not is_news(replace(held, force_is_vain=False), {"a": ("", 1.0)})
    assert seen_of(held.as_data()) == held

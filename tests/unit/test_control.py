"""The daemon's socket: verbs are an enum, a stranger's line is refused, a silent client holds nobody up."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from certd.control.protocol import ControlServer, Question, Reply, Verb, ask
from certd.errors import CertdError
from tests.lab.people import as_user, interpreter


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
        client.settimeout(30)
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
    [
        b"hello\n",
        b"{}\n",
        b'{"verb": "shutdown"}\n',
        b'{"verb": "renew", "links": "x"}\n',
        b"[1]\n",
        b"[" * 60000,
        b'{"verb": "renew", "links": [1]}\n',
        b"\xff\xfe\n",
        b"",
        b'{"verb": "standing", "since": 1e300}\n',
        b'{"verb": "standing", "since": -1}\n',
        b'{"verb": "standing", "since": 253402300800}\n',
        b'{"verb": "standing", "since": NaN}\n',
        b'{"verb": "standing", "since": Infinity}\n',
    ],
)
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
        assert time.monotonic() - started < 20


def test_those_who_say_nothing_hold_nobody_up(path: Path, asked: list[Question]) -> None:
    """Twenty silent clients, and one who left in the middle of a word."""
    silent = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for client in silent:
        client.connect(str(path))
    silent[0].sendall(b'{"verb"')
    silent[0].close()
    started = time.monotonic()
    assert ask(path, Question(verb=Verb.PING), deadline=30) is not None
    assert time.monotonic() - started < 30
    for client in silent:
        client.close()
    assert [question.verb for question in asked] == [Verb.PING]


def test_a_client_has_one_deadline_for_its_whole_request(path: Path) -> None:
    """Silent or dripping, it is sent away; each byte is no new beginning."""
    server = ControlServer(path, lambda question: Reply(fine=True), deadline=0.4)
    server.start()
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as dripping:
        for client in (silent, dripping):
            client.settimeout(30)
            client.connect(str(path))
        started = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - started < 30:
                dripping.sendall(b" ")
                time.sleep(0.05)
        assert silent.recv(1) == b""
        assert 0.3 < time.monotonic() - started < 25
    assert ask(path, Question(verb=Verb.PING)) == Reply(fine=True)
    server.stop()


def test_there_are_never_more_clients_than_it_can_bear(path: Path, asked: list[Question]) -> None:
    """Of hundreds who say nothing the first are sent away."""
    silent = [socket.socket(socket.AF_UNIX) for _ in range(200)]
    for client in silent:
        client.connect(str(path))
    silent[0].settimeout(3)
    assert silent[0].recv(1) == b""
    assert ask(path, Question(verb=Verb.PING)) is not None
    for client in silent:
        client.close()


def test_a_bug_in_an_answer_is_an_answer(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback, and the next question is answered."""

    def answer(question: Question) -> Reply:
        match question.verb:
            case Verb.RELOAD:
                raise ZeroDivisionError
            case Verb.RENEW:
                return Reply(fine=True, data={"at": object()})
            case _:
                return Reply(fine=True)

    server = ControlServer(path, answer)
    server.start()
    for verb in (Verb.RELOAD, Verb.RENEW):
        reply = ask(path, Question(verb=verb))
        assert reply is not None
        assert not reply.fine
        assert "internal error" in reply.words
    assert ask(path, Question(verb=Verb.PING)) == Reply(fine=True)
    assert [record.exc_info is not None for record in caplog.records] == [True, True]
    server.stop()


DESCRIPTORS = """
import os, resource, socket, sys, time
from pathlib import Path
from certd.control.protocol import ControlServer, Question, Reply, Verb, ask
path = Path(sys.argv[1])
server = ControlServer(path, lambda question: Reply(fine=True))
server.start()
client = socket.socket(socket.AF_UNIX)
client.settimeout(30)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, hard))
client.connect(str(path))
client.sendall(b'{"verb": "ping"}\\n')
time.sleep(0.3)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(client.recv(100))
print(ask(path, Question(verb=Verb.PING)))
server.stop()
"""


def test_no_more_descriptors_for_a_while(path: Path) -> None:
    """It becomes deaf for as long as that lasts, and hears again; then it ends with the process."""
    done = subprocess.run(
        [sys.executable, "-c", DESCRIPTORS, str(path)], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.stdout.count("fine") == 2, done.stdout + done.stderr
    assert done.stderr == ""


def test_a_place_where_nobody_can_listen(short_path: Path) -> None:
    """Too long a path, no such folder, a file that is no socket and stays: in words."""
    (short_path / "file").write_text("mine")
    for path in (short_path / ("x" * 120), short_path / "nowhere" / "x", short_path / "file"):
        with pytest.raises(CertdError, match="cannot listen there"):
            ControlServer(path, lambda question: Reply(fine=True)).start()
    assert (short_path / "file").read_text() == "mine"


def test_a_stopped_server_stops_whatever_its_clients_do(path: Path) -> None:
    """Nobody is left waiting; stopping twice does no harm."""
    server = ControlServer(path, lambda question: Reply(fine=True))
    server.stop()
    server = ControlServer(path, lambda question: Reply(fine=True))
    server.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(path))
        time.sleep(0.05)
        server.stop()
        server.stop()
        assert client.recv(1) == b""
    assert ask(path, Question(verb=Verb.PING)) is None


def test_the_group_that_may_ask(path: Path) -> None:
    """The socket belongs to it, and is closed to everybody else, whatever the umask is."""
    before = os.umask(0)
    try:
        server = ControlServer(path, lambda question: Reply(fine=True), group=os.getgid())
        server.start()
    finally:
        os.umask(before)
    status = path.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o660, os.getgid())
    server.stop()


@pytest.mark.parametrize(
    ("says", "noted"),
    [
        ("uid 4711", ", says uid 4711"),
        ("uid 0 (sudo of uid 1000)", ", says uid 0 (sudo of uid 1000)"),
        ("", ""),
        ("root\nuid 0", ""),
        ("the boss", ""),
        (f"uid {os.getuid()}", ""),
    ],
)
def test_what_a_client_says_of_itself(path: Path, asked: list[Question], says: str, noted: str) -> None:
    """It stands beside the kernel's word, never in its place."""
    ask(path, Question(verb=Verb.RENEW, links=("a",), by=says))
    assert asked[0].by == f"uid {os.getuid()}{noted}"


@pytest.mark.lab("people")
def test_in_a_user_namespace_every_foreign_uid_reads_the_same(path: Path) -> None:
    """As under systemd's PrivateUsers=: an administrator and a stranger both read 65534, so the socket's mode decides
    and the uid is only noted.
    """
    code = f"""
import pathlib, sys
from certd.control.protocol import ControlServer, Reply
server = ControlServer(pathlib.Path({str(path)!r}), lambda question: Reply(fine=True, words=question.by), mode=0o666)
server.start()
print("up", flush=True)
sys.stdin.read()
"""
    asking = f"""
import socket
with socket.socket(socket.AF_UNIX) as client:
    client.connect({str(path)!r})
    client.sendall(b'{{"verb": "ping"}}\\n')
    print(client.recv(4096).decode())
"""
    argv = ["unshare", "--user", "--map-root-user", sys.executable, "-c", code]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        if server.stdout.readline() != "up\n":
            pytest.skip("this container leaves no user namespaces to its root")
        heard = []
        for uid in (0, 4711, 33):
            done = subprocess.run(
                as_user(uid, [], [interpreter(), "-I", "-c", asking]), capture_output=True, text=True, cwd="/"
            )
            heard.append(json.loads(done.stdout)["words"])
        server.communicate()
    assert heard == ["uid 0", "uid 65534", "uid 65534"]

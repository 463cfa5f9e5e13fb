"""The log: one line a step, which nobody from outside can forge and in which no secret stands."""

from __future__ import annotations

import copy
import io
import json
import logging
import os
import pickle
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from certd.model import Secret
from certd.system.journal import LOGGER, JsonFormatter, LoggingJournal, PlainFormatter, set_up


class Written:
    """A journal of its own, and what it wrote."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.stream = io.StringIO()
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(formatter)
        logger = logging.Logger("test", logging.DEBUG)
        logger.addHandler(handler)
        self.journal = LoggingJournal(logger)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().removesuffix("\n").split("\n")


@pytest.fixture
def plain() -> Written:
    return Written(PlainFormatter(levels=True, times=False))


@pytest.fixture
def programs() -> Written:
    return Written(JsonFormatter())


def failure() -> ValueError:
    """An exception whose words came from outside."""
    try:
        raise ValueError("bad\n<2>certd: all is lost\x1b[2J")
    except ValueError as error:
        return error


def test_a_step_is_a_line(plain: Written) -> None:
    """Message and fields, the level in front; what is empty is left out, what has spaces is quoted."""
    plain.journal.say("issued", link="a.example.com", reason="30 days are left", hint="")
    plain.journal.warn("not done", link="a.example.com")
    assert plain.lines == [
        '<6>issued  link=a.example.com  reason="30 days are left"',
        "<4>not done  link=a.example.com",
    ]


@pytest.mark.parametrize("text", ["a\n<2>b", "a\r\n<2>b", "a\x0b<2>b", "a\x85<2>b", "a\u2028<2>b", "a\t\t\n <2>b"])
def test_nobody_forges_a_line(plain: Written, text: str) -> None:
    """Every kind of line break is folded, in a value and in a message."""
    plain.journal.say(text, reason=text)
    assert plain.lines == ['<6>a <2>b  reason="a <2>b"']


def test_nobody_steers_a_terminal(plain: Written) -> None:
    """Escape sequences, zero bytes and letters that turn the direction of writing become visible."""
    plain.journal.say("not\x1b[2Jdone", reason="\x1b]0;title\x07", link="a\0b\u202ec")
    assert plain.lines == ["<6>not\ufffd[2Jdone  reason=\ufffd]0;title\ufffd  link=a\ufffdb\ufffdc"]


def test_a_traceback_is_indented_and_levelled(plain: Written) -> None:
    """Each of its lines is the journal's own: what an exception says starts no line."""
    plain.journal.crash("internal error", failure(), subject="issue:a")
    first, *rest = plain.lines
    assert first == "<3>internal error  subject=issue:a"
    assert rest
    assert all(line.startswith("<3>    ") for line in rest)
    assert "\x1b" not in "".join(rest)


def test_times_are_for_people(plain: Written) -> None:
    """Where nothing adds them."""
    written = Written(PlainFormatter(levels=False, times=True))
    written.journal.say("ready")
    time, _, message = written.lines[0].partition("  ")
    assert datetime.strptime(time + "+0000", "%H:%M:%S.%f%z")
    assert message == "ready"


def test_programs_get_one_object_a_line(programs: Written) -> None:
    """Whatever the values hold, they come back as they were."""
    odd = 'line\n"two" \x1b ü \u2028'
    programs.journal.say("issued", link="a", reason=odd, hint="")
    programs.journal.crash("internal error", failure())
    issued, crashed = map(json.loads, programs.lines)
    assert (issued["level"], issued["message"], issued["link"], issued["reason"]) == ("info", "issued", "a", odd)
    assert "hint" not in issued
    assert datetime.fromisoformat(issued["time"]).utcoffset() == timedelta(0)
    assert crashed["level"] == "error"
    assert "ValueError: bad" in crashed["exception"]


def test_secrets_never_print(plain: Written, programs: Written) -> None:
    """As a value, inside another one, in an exception and its traceback, or by copying and pickling."""
    secret = Secret("hunter2")
    try:
        raise ValueError(secret, f"{secret}", [secret], f"{secret!r:>40}", f"{secret!s}")
    except ValueError as error:
        for written in (plain, programs):
            written.journal.say(f"{secret} {[secret]}", reason=str(secret))
            written.journal.crash("internal error", error, key=repr({"key": secret}))
            assert "hunter2" not in written.stream.getvalue()
            assert "***" in written.stream.getvalue()
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copied(secret)
    assert not hasattr(secret, "__dict__")


@pytest.fixture
def own_logging() -> Iterator[None]:
    """The process has one root logger; it is put back."""
    root, ours = logging.getLogger(), logging.getLogger(LOGGER)
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


@pytest.mark.usefixtures("own_logging")
def test_the_stream_decides_the_form(tmp_path: Path) -> None:
    """Levels where the stream is the journal's own; a shell below a service has its variable, and is none."""
    with (tmp_path / "log").open("w+") as stream:
        status = os.fstat(stream.fileno())
        for variables in (
            {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"},
            {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"},
            {"CERTD_LOG": "plain"},
        ):
            set_up(stream, variables, journald=str(tmp_path / "nobody-listens"))
            LoggingJournal().say("ready")
        journal, other, plain = (tmp_path / "log").read_text().splitlines()
    assert journal == "<6>ready"
    assert json.loads(other)["message"] == "ready"
    assert plain.endswith("  ready")


@pytest.mark.usefixtures("own_logging")
def test_libraries_are_heard_when_they_warn() -> None:
    """At DEBUG one of them prints whole signed requests."""
    stream = io.StringIO()
    set_up(stream, {}, debug=True)
    logging.getLogger("acme.client").info("signed request")
    logging.getLogger("acme.client").warning("hm")
    logging.getLogger("certd").debug("detail")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["hm", "detail"]
    set_up(sys.stderr, {})
    assert not logging.getLogger("certd").isEnabledFor(logging.DEBUG)


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[socket.socket]:
    """Something that listens where journald would."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "journal"))
        made.settimeout(10)
        yield made


def entry(datagram: bytes) -> dict[str, str]:
    """The fields of one entry, as journald reads them."""
    fields = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + length], rest[8 + length + 1 :]
        fields[name.decode()] = value.decode()
        datagram = rest
    return fields


@pytest.mark.usefixtures("own_logging")
def test_fields_under_systemd(tmp_path: Path, journald: socket.socket) -> None:
    """Each field is one of the entry's, whatever stands in it; a link can be asked for by `journalctl CERTD_LINK=`."""
    with (tmp_path / "log").open("w+") as stream:
        status = os.fstat(stream.fileno())
        variables = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        set_up(stream, variables, journald=str(tmp_path / "journal"))
        LoggingJournal().say("issued", link="a.example", generation="g1", reason="two\nMESSAGE=forged")
        LoggingJournal().crash("internal error", failure(), subject="x" * 20_000)
        said, crashed = entry(journald.recv(1 << 20)), entry(journald.recv(1 << 20))
        assert (tmp_path / "log").read_text() == ""
    assert said["CERTD_LINK"] == "a.example"
    assert said["CERTD_STEP"] == "issued"
    assert said["CERTD_REASON"] == "two\nMESSAGE=forged"
    assert said["MESSAGE"] == 'issued  link=a.example  generation=g1  reason="two MESSAGE=forged"'
    assert (said["PRIORITY"], said["SYSLOG_IDENTIFIER"]) == ("6", "certd")
    assert crashed["PRIORITY"] == "3"
    assert "Traceback" in crashed["MESSAGE"]


@pytest.mark.usefixtures("own_logging")
def test_a_journald_that_goes_away(tmp_path: Path, journald: socket.socket) -> None:
    """What cannot be sent is written as a line with its level; when it is back, entries are sent again."""
    with (tmp_path / "log").open("w+") as stream:
        status = os.fstat(stream.fileno())
        set_up(stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}, journald=str(tmp_path / "journal"))
        journald.close()
        (tmp_path / "journal").unlink()
        LoggingJournal().warn("alone", link="a")
        assert (tmp_path / "log").read_text() == "<4>alone  link=a\n"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as back:
            back.bind(str(tmp_path / "journal"))
            back.settimeout(10)
            LoggingJournal().say("again")
            assert entry(back.recv(65536))["MESSAGE"] == "again"


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


COLOURS = {
    "a terminal": ({"TERM": "xterm"}, True),
    "somebody said no": ({"TERM": "xterm", "NO_COLOR": "1"}, False),
    "NO_COLOR that is empty says nothing": ({"TERM": "xterm", "NO_COLOR": ""}, True),
    "a dumb one": ({"TERM": "dumb"}, False),
    "none": ({}, False),
}


@pytest.mark.usefixtures("own_logging")
@pytest.mark.parametrize("case", COLOURS)
def test_colours_on_a_terminal(case: str) -> None:
    """Warnings stand out; the words are the same."""
    variables, coloured = COLOURS[case]
    stream = Terminal()
    set_up(stream, variables)
    LoggingJournal().warn("drift", link="a")
    assert ("\x1b[1;33mdrift" in stream.getvalue()) is coloured
    assert re.sub("\x1b[^m]*m", "", stream.getvalue()).endswith("  drift  link=a\n")


def test_what_python_warns_of_is_a_line_like_any_other() -> None:
    """As JSON where the rest is; of a root in the system's bundle that nobody here can mend, nothing is said."""
    program = (
        "import sys, warnings; from certd.system.journal import set_up; set_up(sys.stderr, {});"
        "warnings.warn('Parsed a serial number which was not positive'); warnings.warn('two\\nlines')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    (line,) = done.stderr.splitlines()
    entry = json.loads(line)
    assert entry["level"] == "warning"
    assert "two\nlines" in entry["message"]

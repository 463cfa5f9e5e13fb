"""HAProxy's runtime API: new certificates without a reload (management.txt, ``set ssl cert``).

What lies on the disk is the truth: each pointer is compared with what HAProxy holds and committed where it differs, so
that asking twice changes nothing and a HAProxy that was restarted in between is told nothing that it knows.
"""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from certd.errors import CertdError, TargetError
from certd.ports import Outcome, Verdict
from certd.system.files import read_bounded
from certd.targets.hooks import Renewed
from certd.targets.kind import ApiMeans
from certd.targets.pointers import generation_in
from certd.targets.reloads import MOST_WORDS, Reload

# For one command; it answers at once or never.
DEADLINE = timedelta(seconds=10)
MOST_ANSWER = 4 * 1024 * 1024

# A command with its payload must fit tune.bufsize, 16,384 bytes by default; a longer one ends in silence.
MOST_PAYLOAD = 15_500

_FINGERPRINT = re.compile(r"^SHA1 FingerPrint: ([0-9A-F]{40})$", re.MULTILINE)
_PID = re.compile(r"^Pid: (\d+)$", re.MULTILINE)


@dataclass(slots=True)
class HaproxySocket(Reload):
    """Commits what differs; where the API cannot, the fallback reloads.

    Args:
        pointers: The pointers by the path under which HAProxy knows them.
        fallback: What to do where the API cannot.
    """

    path: str
    pointers: Callable[[], Mapping[str, Path]]
    fallback: Reload
    deadline: timedelta = DEADLINE
    _pid: str = ""
    _committed: dict[str, str] = field(default_factory=dict)

    def ask(self, renewed: Sequence[Renewed] = ()) -> Outcome:
        """Commit; never raises."""
        started = time.monotonic()
        try:
            count = self._commit_what_differs()
        except TargetError as error:
            self._committed.clear()
            if not self.fallback.may():
                return Outcome(verdict=Verdict.NO, words=f"{self.path}: {error}"[-MOST_WORDS:])
            done = self.fallback.ask(renewed)
            return Outcome(
                verdict=done.verdict, words=f"reloaded, since {error}\n{done.words}"[-MOST_WORDS:], took=done.took
            )
        took = timedelta(seconds=time.monotonic() - started)
        return Outcome(verdict=Verdict.YES, words=f"{count} committed by the runtime API", took=took)

    def may(self) -> bool:
        """The socket answers and lets us change certificates."""
        try:
            return "admin" in self._say("show cli level")
        except TargetError:
            return False

    # ------------------------------------------------------------------------------------ committing

    def _commit_what_differs(self) -> int:
        found = _PID.search(self._say("show info"))
        pid = found[1] if found else ""
        if pid != self._pid:
            self._pid = pid
            self._committed.clear()
        known, open_transaction = self._names()
        count = 0
        for seen, path in self.pointers().items():
            text = read_bounded(path).decode("ascii", errors="replace")
            generation = _generation_of(text)
            if self._committed.get(seen) == generation:
                continue
            name = known.get(_normal(seen))
            if name is None:
                raise TargetError(f"HAProxy's configuration does not name {seen}")
            if open_transaction:
                # Of 2.6 a `set` while another transaction is open changes that one.
                if open_transaction not in {known.get(_normal(each)) for each in self.pointers()}:
                    raise TargetError(f"somebody else's transaction is open for {open_transaction}")
                self._say(f"abort ssl cert {open_transaction}")
                open_transaction = ""
            if self._held(name) != _sha1_of_leaf(text):
                self._commit(name, text)
                count += 1
            self._committed[seen] = generation
        return count

    def _names(self) -> tuple[dict[str, str], str]:
        """The names that it knows, by their normal form, and the one whose transaction is open."""
        known: dict[str, str] = {}
        is_open = ""
        for line in self._say("show ssl cert").splitlines():
            if line.startswith("*"):
                is_open = line[1:].strip()
            elif line.strip() and not line.startswith("#"):
                known[_normal(line.strip())] = line.strip()
        return known, is_open

    def _held(self, name: str) -> str:
        found = _FINGERPRINT.search(self._say(f"show ssl cert {name}"))
        return found[1] if found else ""

    def _commit(self, name: str, text: str) -> None:
        # A blank line would end the payload; comments are not its business.
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        payload = "\n".join(lines)
        if len(payload) > MOST_PAYLOAD:
            raise TargetError(f"{name} is too long for the runtime API ({len(payload)} bytes)")
        answer = self._say(f"set ssl cert {name} <<\n{payload}\n")
        if f"certificate {name}!" not in answer:
            self._say(f"abort ssl cert {name}")
            raise TargetError(f"`set ssl cert {name}` answers: {_folded(answer)}")
        answer = self._say(f"commit ssl cert {name}")
        if "Success!" not in answer:
            # A refused commit leaves the transaction open.
            self._say(f"abort ssl cert {name}")
            raise TargetError(f"`commit ssl cert {name}` answers: {_folded(answer)}")

    def _say(self, command: str) -> str:
        """One command, one connection, the whole answer. Raises TargetError."""
        end = time.monotonic() + self.deadline.total_seconds()
        answer = bytearray()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self.deadline.total_seconds())
                connection.connect(self.path)
                connection.sendall(command.encode("ascii") + b"\n")
                while len(answer) < MOST_ANSWER:
                    connection.settimeout(max(0.001, end - time.monotonic()))
                    chunk = connection.recv(65536)
                    if not chunk:
                        break
                    answer += chunk
        except (OSError, UnicodeError) as error:
            words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise TargetError(f"the runtime API does not answer: {words}") from error
        text = answer.decode(errors="replace")
        if "Permission denied" in text:
            raise TargetError("the runtime API refuses: the socket needs `level admin`")
        return text


def _normal(path: str) -> str:
    return re.sub(r"/+", "/", path)


def _folded(text: str) -> str:
    return " ".join(text.split())[:300] or "nothing"


def _generation_of(text: str) -> str:
    try:
        return generation_in(text)
    except CertdError:
        return ""


def _sha1_of_leaf(text: str) -> str:
    """As HAProxy prints it."""
    start = text.find("-----BEGIN CERTIFICATE-----")
    end = text.find("-----END CERTIFICATE-----", start)
    try:
        der = ssl.PEM_cert_to_DER_cert(text[start:end] + "-----END CERTIFICATE-----")
    except ValueError as error:
        raise TargetError("the pointer holds no certificate") from error
    return hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()


def build(parts: tuple[str, ...], means: ApiMeans) -> HaproxySocket:
    """The client of the socket at this path."""
    (path,) = parts
    return HaproxySocket(path, means.pointers, means.fallback, min(means.deadline, DEADLINE))

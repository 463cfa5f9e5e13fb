"""Caddy's admin API: the configuration loaded again by force. Without it Caddy compares the text, finds it unchanged,
and goes on serving the old certificate.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from certd.errors import CertdError
from certd.ports import Outcome, Verdict
from certd.system.files import read_bounded
from certd.targets.hooks import Renewed
from certd.targets.kind import ApiMeans
from certd.targets.reloads import MOST_WORDS, RELOAD_DEADLINE, Reload

# How Caddy's refusal begins, and how much of an answer is searched for it: a warning for each line of a Caddyfile.
ERROR = '{"error":'
MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class CaddyAdmin(Reload):
    """``POST /load`` with the configuration file.

    Args:
        address: ``host:port``, or ``unix//path``.
        config: The Caddyfile, or a JSON file, as certd sees it.
    """

    address: str
    config: str
    deadline: timedelta = RELOAD_DEADLINE

    def ask(self, renewed: Sequence[Renewed] = ()) -> Outcome:
        """Any answer but 200 is a no, in Caddy's own words; so is a 200 with an error in it.

        Caddy 2.6 writes the warnings of the Caddyfile first, and with them the status: it then refuses with 200.
        """
        started = time.monotonic()
        try:
            body = read_bounded(Path(self.config))
            status, words, is_error = self._post(body)
        except CertdError as error:
            return Outcome(verdict=Verdict.NO, words=str(error))
        except (OSError, ValueError, http.client.HTTPException) as error:
            # ValueError: a port that is none, a host that cannot be looked up.
            return Outcome(verdict=Verdict.NO, words=f"Caddy's admin API at {self.address} does not answer: {error}")
        took = timedelta(seconds=time.monotonic() - started)
        if status == 200 and not is_error:
            return Outcome(verdict=Verdict.YES, words="loaded by the admin API", took=took)
        return Outcome(verdict=Verdict.NO, words=f"Caddy refuses the configuration ({status}): {words}", took=took)

    def may(self) -> bool:
        """The admin API answers, and the configuration can be read."""
        try:
            read_bounded(Path(self.config))
            connection = self._connection(5.0)
            connection.connect()
            connection.close()
        except (CertdError, OSError, ValueError):
            return False
        return True

    def _post(self, body: bytes) -> tuple[int, str, bool]:
        """The status, the words, and whether the words are an error."""
        connection = self._connection(self.deadline.total_seconds())
        try:
            kind = "application/json" if self.config.endswith(".json") else "text/caddyfile"
            headers = {"Content-Type": kind, "Cache-Control": "must-revalidate"}
            if self.address.startswith("unix/"):
                # The one Host that Caddy accepts on a Unix socket, whatever its version.
                headers["Host"] = ""
            connection.request("POST", "/load", body=body, headers=headers)
            answer = connection.getresponse()
            text = answer.read(MOST_BYTES).decode(errors="replace")
        finally:
            connection.close()
        # A warning may quote the error's beginning, but JSON escapes its quotation marks.
        start = text.find(ERROR)
        if start < 0:
            return answer.status, text[:MOST_WORDS], False
        try:
            found, _ = json.JSONDecoder().raw_decode(text, start)
            return answer.status, str(found["error"])[:MOST_WORDS], True
        except (ValueError, KeyError, TypeError, RecursionError):
            return answer.status, text[start : start + MOST_WORDS], True

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        if self.address.startswith("unix/"):
            return _UnixConnection(self.address.removeprefix("unix/"), seconds)
        host, _, port = self.address.rpartition(":")
        return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=seconds)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def build(parts: tuple[str, ...], means: ApiMeans) -> CaddyAdmin:
    """The client of the admin API at this address, with the configuration that it loads again."""
    address, config = parts
    return CaddyAdmin(address, config, means.deadline)

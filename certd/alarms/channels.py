"""Channels without any extra package: an HTTP POST, and a program."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from certd.errors import AlarmFailed, EgressFailed, TargetError
from certd.model import Notice, Secret
from certd.model.address import host_of
from certd.system.command import run

if TYPE_CHECKING:
    from certd.system.egress import Egress

DEADLINE_SECONDS = 20.0


class Channel(Protocol):
    """One way to tell. Raises AlertFailed."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    def tell(self, notice: Notice) -> None:
        """Tell it."""
        ...


def body_of(notice: Notice, node: str) -> dict[str, object]:
    """A notice for programs; ``text`` is what chat services show."""
    alarm = notice.alarm
    return {
        "version": 1,
        "text": f"{notice.title}\n{notice.text}",
        "state": "over" if notice.is_over else "open",
        "level": alarm.level.word,
        "cause": alarm.cause,
        "subject": alarm.subject,
        "words": alarm.words,
        "since": notice.since.isoformat(),
        "good_until": alarm.good_until.isoformat() if alarm.good_until else None,
        "next": notice.next_step,
        "hint": notice.hint,
        "labels": dict(alarm.labels),
        "node": node,
    }


@dataclass(frozen=True, slots=True)
class Webhook:
    """``POST`` of a JSON object; its address may hold a token, so it is never repeated."""

    url: Callable[[], Secret]
    egress: Callable[[], Egress]
    node: str
    name: str = "webhook"

    def tell(self, notice: Notice) -> None:
        """Any answer of the 200s is fine."""
        body = json.dumps(body_of(notice, self.node)).encode()
        headers = {"Content-Type": "application/json"}
        url = self.url().reveal().strip()
        try:
            answer = self.egress().send("POST", url, body=body, headers=headers, deadline=DEADLINE_SECONDS)
        except EgressFailed as error:
            raise AlarmFailed(f"alarms.webhook: {host_of(url)}: {error}") from error
        if not 200 <= answer.status < 300:
            # Its words may echo the address.
            raise AlarmFailed(f"alarms.webhook: {host_of(url)} answers {answer.status}")


@dataclass(frozen=True, slots=True)
class Command:
    """A program with the notice on standard input and its parts as ``CERTD_*`` variables."""

    argv: tuple[str, ...]
    node: str
    name: str = "command"

    def tell(self, notice: Notice) -> None:
        """Exit code 0 is fine."""
        body = body_of(notice, self.node)
        variables: Mapping[str, str] = {
            f"CERTD_{key.upper()}": str(value or "").replace("\0", "")
            for key, value in body.items()
            if isinstance(value, str) or value is None
        }
        try:
            done = run(
                self.argv, deadline=timedelta(seconds=DEADLINE_SECONDS), env=variables, stdin=json.dumps(body).encode()
            )
        except TargetError as error:
            raise AlarmFailed(f"alarms.command: {error}") from error
        if done.timed_out:
            raise AlarmFailed(f"alarms.command: {self.argv[0]} did not end within {DEADLINE_SECONDS:g} s")
        if done.code:
            raise AlarmFailed(f"alarms.command: {self.argv[0]} ended with {done.code}: {done.output[-200:]}")

"""JSON over HTTPS at a provider: every call bounded, a refusal in one sentence, no word of what was sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from certd.errors import EgressFailed, ProviderRefused
from certd.system.http_headers import retry_after_of

if TYPE_CHECKING:
    from certd.system.egress import Egress

MOST_WORDS = 300

ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")

# Where a busy provider does not say for how long.
BUSY_PAUSE = timedelta(seconds=30)
# A plan, a quota, a certificate that the provider manages itself: a person changes that, not the next try.
PERSON_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer. ``body`` is empty where it is no JSON object; it may hold a key, so it is never shown."""

    status: int
    body: Mapping[str, Any] = field(repr=False)
    retry_after: timedelta | None = None

    @property
    def is_good(self) -> bool:
        """By the status alone."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Api:
    """One provider's API with one credential.

    Args:
        who: Its name in sentences.
        headers: With the credential.
        media_type: Of the bodies that are sent.
    """

    who: str
    base: str
    headers: Mapping[str, str] = field(repr=False)
    egress: Egress
    deadline: timedelta
    media_type: str = "application/json"

    def send(self, method: str, path: str, body: bytes = b"", media_type: str = "") -> Answer:
        """One call; whatever the provider answers.

        Raises:
            ProviderRefused: it does not answer, is busy, or does not take the credential; for all links.
        """
        headers = {**self.headers, **({"Content-Type": media_type or self.media_type} if body else {})}
        try:
            response = self.egress.send(
                method, self.base + path, body=body or None, headers=headers, deadline=self.deadline.total_seconds()
            )
        except EgressFailed as error:
            raise ProviderRefused(f"{self.who}: {error}", hint=error.hint, for_all=True) from error
        try:
            read = json.loads(response.body or b"{}")
        except (ValueError, RecursionError):
            read = None
        answer = Answer(response.status, read if isinstance(read, dict) else {}, retry_after_of(response))
        if answer.status == 429 or answer.status >= 500:
            trouble = "asks certd to wait" if answer.status == 429 else "is out of order"
            raise ProviderRefused(
                f"{self.who} {trouble} ({answer.status})",
                hint="nothing to do here: certd asks again",
                again_after=answer.retry_after or BUSY_PAUSE,
                for_all=True,
            )
        if answer.status == 401:
            raise ProviderRefused(
                f"{self.who} does not accept the token",
                hint="make a new token at the provider and replace the old one",
                for_all=True,
            )
        return answer

    def json(self, method: str, path: str, body: Mapping[str, Any]) -> Answer:
        """A call with a JSON body."""
        return self.send(method, path, json.dumps(body).encode())

    def refused(
        self, what: str, words: str, *, code: str = "", hint: str = "", by_person: bool = False
    ) -> ProviderRefused:
        """The error for an answer that is a no."""
        said = " ".join(words.partition("-----BEGIN")[0].split())[:MOST_WORDS]
        told = f"{code}: {said}" if code and said else code or said or "without a reason"
        return ProviderRefused(
            f"{self.who} refuses {what}: {told}",
            hint=hint,
            code=code,
            again_after=PERSON_PAUSE if by_person else timedelta(0),
        )


def id_of(value: object) -> str:
    """A provider's name for an object, fit for a path and a sentence; empty where it is none."""
    return value if isinstance(value, str) and ID.fullmatch(value) else ""


def text(value: object) -> str:
    """A text member; empty where it is none."""
    return value if isinstance(value, str) else ""


def side_of(who: str, proxy: str, domains: Sequence[str], lines: Sequence[str]) -> str:
    """What the operator sets at a CDN once, as comments."""
    head = f"# {', '.join(domains)} on {proxy}: certd uploads to {who}; set once:"
    return "\n".join([head, *(f"# - {line}" for line in lines)]) + "\n"

"""Accounts with every CA that a link names, the fallbacks included, as soon as a configuration is loaded: a secret for
external account binding expires in days (Google: 7), and a fallback without an account is none on the day it is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from certd.app import App
from certd.daemon.active_alarms import ActiveAlarms
from certd.errors import (
    AcmeProblem,
    AcmeUnreachable,
    CertdError,
    ConfigurationError,
    CredentialMissing,
    SecretUnreadable,
)
from certd.model import Alarm, Level
from certd.planning.acme_errors import refusal_for, told_wait
from certd.planning.backoff import rung
from certd.ports import Journal

LOOK_EVERY = timedelta(seconds=10)

# A CA that is away is asked again soon; one that refuses says the same for a long time.
LADDER = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60))
REFUSED = timedelta(hours=6)

# A CA that is away for a moment is nobody's business.
TOLD_AFTER = 3


class AccountRegistrar:
    """One look at a time; nothing waits for it, least of all readiness."""

    def __init__(
        self,
        app: Callable[[], App],
        journal: Journal,
        active_alarms: ActiveAlarms,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._journal = journal
        self._active_alarms = active_alarms
        self._monotonic = monotonic
        self._asked: dict[str, App] = {}
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self._looked: App | None = None
        # Those that have no account yet: somebody else may register, a link's order or another node.
        self._failing: set[str] = set()
        self._issuers: tuple[str, ...] = ()

    def is_idle(self) -> bool:
        """Whether a look would ask no CA. Never waits."""
        if self._looked is not self._app():
            return False
        if self._failing:
            return False
        return all(self._monotonic() < self._not_before.get(issuer, 0.0) for issuer in self._issuers)

    def look(self) -> None:
        """At every issuer that a link names. Never raises: the next look comes."""
        app = self._app()
        if self._looked is not app:
            names = (name for link in app.settings.links for name in link.spec.issuers)
            self._issuers = tuple(dict.fromkeys(names)) if app.settings.issue else ()
            self._looked = app
            for issuer in self._failing - set(self._issuers):
                self._end(issuer)
        for issuer in self._issuers:
            # Another configuration may be another secret: what failed is tried at once.
            is_new = self._asked.get(issuer) is not app
            is_early = not is_new and self._monotonic() < self._not_before.get(issuer, 0.0)
            if is_early and issuer not in self._failing:
                continue
            self._asked[issuer] = app
            try:
                self._enrol(app, issuer, ask=not is_early)
            except CertdError as error:
                # A store that cannot be read now says nothing about the registration.
                if not is_early:
                    self._failed(issuer, error, 1 if is_new else self._failures.get(issuer, 0) + 1)

    def _enrol(self, app: App, issuer: str, *, ask: bool) -> None:
        known = app.stores.accounts.get(app.settings.issuers[issuer].directory)
        if known is None or not known.url:
            if not ask:
                return
            url = app.authority(issuer).account()
            self._journal.say("account", issuer=issuer, url=url)
        self._end(issuer)
        self._not_before[issuer] = float("inf")

    def _end(self, issuer: str) -> None:
        self._failing.discard(issuer)
        self._failures.pop(issuer, None)
        self._active_alarms.take_back(f"account:{issuer}")

    def _failed(self, issuer: str, error: CertdError, failures: int) -> None:
        is_refusal = isinstance(error, AcmeProblem)
        hint = error.hint or (refusal_for(error).hint if isinstance(error, AcmeProblem) else "")
        wait = REFUSED if is_refusal else rung(LADDER, failures)
        if isinstance(error, AcmeProblem) and (told := told_wait(error, datetime.now(UTC))) is not None:
            wait = max(told, LADDER[0])
        elif isinstance(error, AcmeUnreachable) and error.retry_after is not None:
            wait = max(wait, error.retry_after)
        self._failing.add(issuer)
        self._failures[issuer] = failures
        self._not_before[issuer] = self._monotonic() + wait.total_seconds()
        self._journal.warn("no account", issuer=issuer, reason=str(error), hint=hint)
        # A missing secret or a wrong setting does not end by itself.
        is_for_people = isinstance(error, SecretUnreadable | CredentialMissing | ConfigurationError)
        if is_refusal or is_for_people or failures >= TOLD_AFTER:
            self._active_alarms.tell(
                Alarm(
                    cause=f"account:{issuer}",
                    level=Level.WARNING,
                    subject=f"issuer.{issuer}",
                    words=f"certd has no account there: {error}",
                    hint=hint,
                    next_step=f"tried again in {wait.total_seconds() / 60:.0f} min, and when the configuration changes",
                )
            )

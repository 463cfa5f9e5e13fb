"""Asks the revocation lists about every certificate that clients get: a revoked one still completes handshakes, so that
nothing else would notice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

from certd.acme.crl import Finding, RevocationLists
from certd.app import App
from certd.daemon.active_alarms import ActiveAlarms
from certd.errors import CertdError, ConfigurationError, GateRefused
from certd.model import Alarm, ChainRepair, Level
from certd.pki.chain_fault import ChainFault, fault_of
from certd.pki.revocation import leafs_list
from certd.ports import Journal
from certd.store.revocations import AT_ONCE, Watched

# CAs write their lists anew every few hours, and within a day after a revocation (BR 4.9.7).
LISTS_EVERY = timedelta(hours=1)


class RevocationJob:
    """One look at a time."""

    def __init__(self, app: Callable[[], App], journal: Journal, active_alarms: ActiveAlarms) -> None:
        self._app = app
        self._journal = journal
        self._active_alarms = active_alarms
        self._lists = RevocationLists(lambda: self._app().egress, own_hosts=self._own_hosts)

    def _own_hosts(self) -> frozenset[str]:
        """Those of the configured issuers: a private CA's list may lie in the own network."""
        issuers = self._app().settings.issuers.values()
        directories = (urlsplit(issuer.directory).hostname or "" for issuer in issuers)
        return frozenset([*directories, *(host for issuer in issuers for host in issuer.allowed_hosts)])

    def look(self) -> None:
        """At every current certificate. Never raises: the next look comes."""
        app = self._app()
        if not app.settings.issue:
            return
        silent: set[str] = set()
        try:
            for links in self._by_list(app).values():
                for start in range(0, len(links), AT_ONCE):
                    for each in app.stores.revocations.among(links[start : start + AT_ONCE]):
                        self._look_at(app, each, silent)
        except CertdError as error:
            self._journal.warn("the look at revocation lists failed", reason=str(error))
        for words in sorted(silent):
            self._journal.warn("no revocation list", reason=words)

    def _by_list(self, app: App) -> dict[str, list[str]]:
        """The links by where their leaf would be listed: each list is fetched once, however many there are, and none is
        kept for longer than it is needed.
        """
        found: dict[str, list[str]] = {}
        after = ""
        while watched := app.stores.revocations.watched(after):
            for each in watched:
                found.setdefault(leafs_list(each.chain_pem), []).append(each.link)
            after = watched[-1].link
        return found

    def _look_at(self, app: App, watched: Watched, silent: set[str]) -> None:
        try:
            trust = app.root_store.trust(watched.issuer)
            finding = self._lists.look(watched.chain_pem, trust.roots, app.clock.now())
        except (ConfigurationError, GateRefused) as error:
            silent.add(f"{watched.link}: {error}")
            return
        silent.update(finding.unknown)
        if finding.words and not finding.is_leaf and watched.url:
            self._repair(app, watched, ChainFault(words=finding.words, mark=finding.mark))
        elif finding.words:
            self._replace(app, watched, finding)
        else:
            self._active_alarms.take_back(f"revoked:{watched.link}")
            fault = fault_of(watched.chain_pem, trust, app.clock.now()) if watched.url else None
            if fault is not None:
                self._repair(app, watched, fault)
            elif watched.is_under_repair:
                self._note_clean(app, watched)

    def _repair(self, app: App, watched: Watched, fault: ChainFault) -> None:
        """The leaf is good: its CA may have another chain, and a download costs none of its limits."""
        current = app.stores.lineages.facts(watched.link).current
        if current is None or current.generation != watched.generation or current.chain_repair.is_open:
            return
        # What was ordered instead hangs from the same issuer: another order would, too.
        was_ordered = bool(fault.mark) and app.stores.revocations.was_replaced_for(watched.link, fault.mark)
        self._journal.warn("chain fault", link=watched.link, generation=watched.generation, reason=fault.words)
        now = app.clock.now()
        repair = ChainRepair(
            without=tuple(dict.fromkeys((*current.chain_repair.without, *([fault.mark] if fault.mark else [])))),
            reason=fault.words,
            since=now,
            look_at=now,
            may_order=fault.may_order and not was_ordered,
        )
        app.stores.lineages.note_chain_fault(current, repair)

    def _note_clean(self, app: App, watched: Watched) -> None:
        """The fault is over without another chain: the roots were put right, or the issuer is off the list."""
        current = app.stores.lineages.facts(watched.link).current
        if current is not None and current.generation == watched.generation and current.chain_repair.is_open:
            app.stores.lineages.note_chain_fault(current, replace(current.chain_repair, reason="", look_at=None))

    def _replace(self, app: App, watched: Watched, finding: Finding) -> None:
        """At once; but where what came instead hangs from the same revoked intermediate, another one would, too."""
        words = finding.words if finding.is_leaf else f"{finding.words} ({finding.mark})"
        if not finding.is_leaf and app.stores.revocations.was_replaced_for(watched.link, finding.mark):
            self._active_alarms.tell(
                Alarm(
                    cause=f"revoked:{watched.link}",
                    level=Level.PAGE,
                    subject=watched.link,
                    words=words,
                    good_until=watched.not_after,
                    next_step="it is looked at again every hour",
                    hint=f"{watched.issuer} still signs with a revoked intermediate: name another issuer for the link",
                )
            )
            return
        current = app.stores.lineages.facts(watched.link).current
        if current is None or current.fingerprint != watched.fingerprint:
            return
        self._journal.warn("revoked", link=watched.link, generation=watched.generation, reason=words)
        app.stores.lineages.note_revoked(current, f"its CA says so: {words}")

"""What the daemon answers over its Unix socket: verbs are an enum, nothing from a client is a path or a command."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from certd.app import App
from certd.config.settings import LinkSettings, Settings
from certd.control.protocol import Question, Reply, Verb
from certd.errors import UsageError
from certd.model import Request
from certd.status.follow import Cost, costs, look
from certd.timefmt import counted


@dataclass(frozen=True, slots=True)
class ControlHandler:
    """Answers one question after another.

    Attributes:
        app: The application of the configuration in force.
        reload: Reads the configuration again; raises CertdError.
        kick: Has what is due looked for at once.
    """

    app: Callable[[], App]
    reload: Callable[[], Settings]
    kick: Callable[[], None]

    def answer(self, question: Question) -> Reply:
        """Do what was asked for. Raises CertdError."""
        match question.verb:
            case Verb.PING:
                return Reply(fine=True, data={"pid": os.getpid(), "seal": list(self.app().stores.lineages.seal.kids)})
            case Verb.RELOAD:
                return Reply(fine=True, words=counted(len(self.reload().links), "link"))
            case Verb.RENEW:
                return self._renew(question)
            case Verb.STANDING:
                app, links = self._wanted(question)
                since = datetime.fromtimestamp(question.since, UTC) if question.since > 0 else None
                return Reply(fine=True, data={"links": [seen.as_data() for seen in look(app, links, since)]})
            case Verb.COSTS:
                app, links = self._wanted(question)
                return Reply(fine=True, data={"costs": _as_data(costs(app, links))})

    def _renew(self, question: Question) -> Reply:
        """What was asked twice before it is done is done once: a request is fulfilled by whatever certificate comes
        after it, and an order that is open is gone on with.
        """
        app, links = self._wanted(question)
        if question.force and not question.links:
            return Reply(fine=False, words="a forced renewal needs links")
        if question.force and not question.reserve:
            found = costs(app, links)
            if any(cost.takes_reserve for cost in found.values()):
                return Reply(
                    fine=False,
                    words="this would use the emergency reserve of the CA's weekly limit; confirm with --yes",
                )
        now = app.clock.now()
        before = {seen.link: [seen.fingerprint, seen.failed_at] for seen in look(app, links, None)}
        for link in links:
            if question.force:
                app.stores.lineages.request(link.name, Request(by=question.by, at=now))
            else:
                app.stores.lineages.wake(f"issue:{link.name}")
        if not question.force:
            app.stores.node.look_again([link.name for link in links])
        self.kick()
        return Reply(fine=True, data={"at": now.timestamp(), "before": before})

    def _wanted(self, question: Question) -> tuple[App, list[LinkSettings]]:
        """The links of a question; all where it names none. Raises UsageError for one that there is not."""
        app = self.app()
        known = {link.name: link for link in app.settings.links}
        if unknown := [name for name in question.links if name not in known]:
            raise UsageError(f"{unknown[0]}: there is no such link")
        return app, [known[name] for name in question.links or known]


def _as_data(found: Mapping[str, Cost]) -> dict[str, list[object]]:
    return {link: [cost.words, cost.takes_reserve] for link, cost in found.items()}

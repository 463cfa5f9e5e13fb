"""What the daemon answers over its Unix socket: verbs are an enum, nothing from a client is a path or a command."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from certd.app import App
from certd.config.settings import Settings
from certd.control import Question, Reply, Verb
from certd.model import Request


@dataclass(frozen=True, slots=True)
class Answering:
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
                return Reply(fine=True, data={"pid": os.getpid()})
            case Verb.RELOAD:
                return Reply(fine=True, words=f"{len(self.reload().links)} links")
            case Verb.RENEW:
                return self._renew(question)

    def _renew(self, question: Question) -> Reply:
        app = self.app()
        known = {link.name for link in app.settings.links}
        links = question.links or tuple(known)
        if unknown := [link for link in links if link not in known]:
            return Reply(fine=False, words=f"{unknown[0]}: there is no such link")
        now = app.clock.now()
        for link in links:
            if question.force:
                app.stores.lineages.request(link, Request(by=question.by, at=now))
            else:
                app.stores.lineages.wake(f"issue:{link}")
        self.kick()
        return Reply(fine=True, data={"at": now.timestamp()})

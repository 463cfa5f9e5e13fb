"""E-mail services: where their clicks are forwarded to, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Esp:
    """One e-mail service, as far as link domains go.

    Attributes:
        name: How a configuration calls it.
        upstream: Where the proxy forwards clicks to, ``https://host`` or ``http://host``.
        probe: A path that shows whether the service knows a link's host, and that counts no click.
        expect: What it answers there: statuses (``302``, ``4xx``) and headers (``server: msys-http``); one status must
            fit, and every header. Empty: the answer is compared with the service's own alone.
        signs: Text in the body -> what it means.
        hosts: Names that a link host is an alias of while it still points at the service; subdomains count.
        managing: Those of them behind which the service keeps the certificate itself.
        certificates: Whether it manages certificates by now, in a sentence.
        may_be_plain: It takes clicks by plain HTTP, too, by its own documentation.
        owner_record: It wants a second record beside the link's own, which stays where it is.
        forwarded_host: It wants the link's own name in ``X-Forwarded-Host``, too.
        sends_by: The service that sends the mails for it; empty where it does so itself.
        support: Who switches HTTPS on, and what they must be told.
    """

    name: str
    upstream: str
    probe: str = "/"
    expect: tuple[str, ...] = ()
    signs: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = ()
    managing: tuple[str, ...] = ()
    certificates: str = ""
    may_be_plain: bool = False
    owner_record: bool = False
    forwarded_host: bool = False
    sends_by: str = ""
    support: str = ""

"""E-mail services by name, and where clicks are forwarded to (proxies.md 1.1 and 1.2)."""

from __future__ import annotations

from collections.abc import Mapping

UPSTREAMS: Mapping[str, str] = {
    "sendgrid": "https://sendgrid.net",
    "sendgrid-eu": "https://eu.sendgrid.net",
    "sparkpost": "https://spgo.io",
    "sparkpost-eu": "https://eu.spgo.io",
    "mailgun": "http://mailgun.org",
    "mailgun-eu": "http://eu.mailgun.org",
    "customerio": "https://track.customer.io",
    "customerio-eu": "https://track-eu.customer.io",
    "iterable": "https://links.iterable.com",
    "iterable-eu": "https://links.eu.iterable.com",
}

"""The issuers of a file: what is built in, what the operator says, and which staging directory belongs to which."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from certd.config.files import Reading, wrong_with_file
from certd.config.schema import IssuerTable
from certd.config.settings import IssuerSettings
from certd.model import Limit
from certd.system.endpoint import is_host, wrong_with_url

# Without port, path and wildcard.
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")


def issuers_of(reading: Reading, said: Mapping[str, IssuerTable]) -> dict[str, IssuerSettings]:
    """All of them, by name."""
    issuers = dict(reading.vocabulary.issuers)
    for name, table in said.items():
        issuers[name] = _issuer(reading, name, table)
    for name in said:
        _judge_staging(reading, name, issuers)
    return _with_staging(issuers, said)


def _issuer(reading: Reading, name: str, table: IssuerTable) -> IssuerSettings:
    known = reading.vocabulary.issuers.get(name)
    directory = table.directory or (known.directory if known else "")
    if not directory:
        near = difflib.get_close_matches(name, reading.vocabulary.issuers, n=1)
        hint = f"did you mean issuer.{near[0]}?" if near else "the URL of its ACME directory"
        reading.lacks(f"issuer.{name}.directory", "is missing", hint)
    elif wrong := wrong_with_url(directory):
        reading.find(f"issuer.{name}.directory", wrong, 'such as "https://acme-v02.api.letsencrypt.org/directory"')
    # An unknown directory under a known name has nothing of what is known.
    base = known if known is not None and directory == known.directory else IssuerSettings(name=name, directory="")
    for index, host in enumerate(table.allowed_hosts):
        if not _HOST.fullmatch(host) or not is_host(host):
            reading.find(
                f"issuer.{name}.allowed_hosts[{index}]", f'"{host[:80]}" is not a host', 'such as "api.example.com"'
            )
    for member in ("ca_file", "roots"):
        path = getattr(table, member)
        if path and (wrong := wrong_with_file(reading.path.parent / path)):
            reading.find(f"issuer.{name}.{member}", f"{path}: {wrong}")
    for member in ("orders_in_3_hours", "weekly_per_domain"):
        if (getattr(table, member) or 0) < 0:
            reading.find(f"issuer.{name}.{member}", "must not be negative", "0: no limit")
    return replace(
        base,
        name=name,
        directory=directory,
        allowed_hosts=tuple(dict.fromkeys((*base.allowed_hosts, *table.allowed_hosts))),
        terms_agreed=table.terms_agreed,
        ca_file=str(reading.path.parent / table.ca_file) if table.ca_file else "",
        roots=str(reading.path.parent / table.roots) if table.roots else "",
        eab_kid=table.eab.kid if table.eab else "",
        eab_hmac=table.eab.hmac if table.eab else "",
        profile=table.profile,
        preferred_chain=table.preferred_chain,
        contact=table.contact,
        staging=base.staging if table.staging is None else table.staging,
        limits=_limits(base.limits, table),
    )


def _limits(known: tuple[Limit, ...], table: IssuerTable) -> tuple[Limit, ...]:
    """The CA's limits, some of which it raises on request."""
    limits = {limit.kind: limit for limit in known}
    raised = {
        "orders": (table.orders_in_3_hours, timedelta(hours=3)),
        "domain": (table.weekly_per_domain, timedelta(days=7)),
    }
    for kind, (most, per) in raised.items():
        if most is not None:
            limits.pop(kind, None)
        if most:
            limits[kind] = Limit(kind=kind, most=most, per=per, reserve=most // 10)
    return tuple(limits.values())


def _judge_staging(reading: Reading, name: str, issuers: Mapping[str, IssuerSettings]) -> None:
    staging = issuers[name].staging
    if staging and staging not in issuers:
        near = difflib.get_close_matches(staging, issuers, n=1)
        hint = f'did you mean "{near[0]}"?' if near else "the name of another issuer"
        reading.find(f"issuer.{name}.staging", f'"{staging}" is not defined', hint)
    elif staging == name:
        reading.find(f"issuer.{name}.staging", "is the issuer itself", 'the name of another issuer, or ""')


def _with_staging(issuers: dict[str, IssuerSettings], said: Mapping[str, IssuerTable]) -> dict[str, IssuerSettings]:
    """A staging directory is under the same terms as its CA, which were agreed to once; one that wants a binding of its
    own is used only where the operator gives one.
    """
    complete = dict(issuers)
    for name, issuer in issuers.items():
        staging = issuers.get(issuer.staging)
        if staging is None:
            continue
        if staging.needs_binding and not staging.eab_kid:
            complete[name] = replace(issuer, staging="")
        elif staging.name not in said:
            complete[staging.name] = replace(staging, terms_agreed=issuer.terms_agreed, contact=issuer.contact)
    return complete

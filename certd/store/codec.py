"""Rows from facts and back. Secrets never pass here: their columns are sealed by themselves."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import BaseModel, TypeAdapter, create_model

from certd.model import (
    NO_ATTEMPT,
    NO_CHAIN_REPAIR,
    NO_REHEARSAL,
    Attempt,
    Certificate,
    CertificateSpec,
    ChainRepair,
    Deployment,
    Generation,
    LineageFacts,
    Order,
    ProxyFacts,
    Rehearsal,
    RenewalWindow,
    Secret,
    TxtCleanup,
)
from certd.store.database import Row, Value

T = TypeVar("T")


class Body(Generic[T]):
    """One kind of fact as JSON, the way a column holds it.

    pydantic compiles a form for each kind, which takes time and memory. It does so when the first of a kind is read
    or written: most processes never see an open order, a cutover or a rehearsal.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind

    @cached_property
    def _form(self) -> TypeAdapter[T]:
        return TypeAdapter(self._kind)

    def dump_json(self, fact: T) -> bytes:
        """A fact as it is written."""
        return self._form.dump_json(fact)

    def validate_json(self, text: str) -> T:
        """A fact as it was written. Raises ValueError for what is none."""
        return self._form.validate_json(text)


ATTEMPT = Body(Attempt)
ATTEMPTS = Body(tuple[Attempt, ...])
WINDOW = Body(RenewalWindow)
CHAIN_REPAIR = Body(ChainRepair)
SPEC = Body(CertificateSpec)
CLEANUP = Body(TxtCleanup)
REHEARSAL = Body(Rehearsal)
FAILED_MARK = "!"
OPEN_MARK = "!"
DEPLOYMENT = Body(Deployment)
PROXY = Body(ProxyFacts)


def epoch(moment: datetime) -> float:
    """Epoch seconds."""
    return moment.timestamp()


def epoch_or_none(moment: datetime | None) -> float | None:
    """The same where there may be none."""
    return None if moment is None else moment.timestamp()


def moment(value: Value) -> datetime:
    """Aware UTC from epoch seconds."""
    return datetime.fromtimestamp(float(value or 0.0), UTC)


def moment_or_none(value: Value) -> datetime | None:
    """The same where there may be none."""
    return None if value is None else moment(value)


@cache
def _order_form() -> type[BaseModel]:
    """An order without its key: the one member that is a secret goes into a column of its own."""
    members: dict[str, Any] = {name: hint for name, hint in get_type_hints(Order).items() if name != "key"}
    return create_model("OrderBody", **members)


def order_body(order: Order) -> str:
    """Everything of an order but its key."""
    form = _order_form()
    return form(**{name: getattr(order, name) for name in form.model_fields}).model_dump_json()


def order_of(body: str, key: Secret) -> Order:
    """An order and its key."""
    form = _order_form()
    read = form.model_validate_json(body)
    return Order(key=key, **{name: getattr(read, name) for name in form.model_fields})


def attempts_body(facts: LineageFacts) -> str:
    """The failures of a lineage; a list where it has several issuers that failed; empty where there are none."""
    # Those of relaxed orders come last: what failed for the whole wish is what people are told first.
    known = sorted((facts.attempt, *facts.others), key=lambda attempt: attempt.relaxed)
    if facts.others:
        return ATTEMPTS.dump_json(tuple(known)).decode()
    return "" if facts.attempt == NO_ATTEMPT else ATTEMPT.dump_json(facts.attempt).decode()


def attempts_of(body: str) -> tuple[Attempt, ...]:
    """The current issuer's failures first."""
    if not body:
        return (NO_ATTEMPT,)
    return ATTEMPTS.validate_json(body) if body.startswith("[") else (ATTEMPT.validate_json(body),)


def rehearsal_body(rehearsal: Rehearsal) -> str:
    """Empty where there was none; one that failed is marked, so that a query finds it."""
    mark = FAILED_MARK if rehearsal.failures else ""
    return "" if rehearsal == NO_REHEARSAL else mark + REHEARSAL.dump_json(rehearsal).decode()


def rehearsal_of(body: str) -> Rehearsal:
    """And back."""
    return REHEARSAL.validate_json(body.removeprefix(FAILED_MARK)) if body else NO_REHEARSAL


def chain_repair_body(repair: ChainRepair) -> str:
    """Empty where there was none; an open fault is marked, so that a query finds it."""
    mark = OPEN_MARK if repair.is_open else ""
    return "" if repair == NO_CHAIN_REPAIR else mark + CHAIN_REPAIR.dump_json(repair).decode()


def chain_repair_of(body: str) -> ChainRepair:
    """And back."""
    return CHAIN_REPAIR.validate_json(body.removeprefix(OPEN_MARK)) if body else NO_CHAIN_REPAIR


CERTIFICATE_COLUMNS = (
    "link, generation, fingerprint, issuer, names, key_type, not_before, not_after, issued_at, chain, sealed_key"
)


def certificate_values(certificate: Certificate, sealed_key: str) -> tuple[Value, ...]:
    """The values of ``CERTIFICATE_COLUMNS``."""
    return (
        certificate.link,
        certificate.generation,
        certificate.fingerprint,
        certificate.issuer,
        " ".join(certificate.domains),
        certificate.key_type,
        epoch(certificate.not_before),
        epoch(certificate.not_after),
        epoch(certificate.issued_at),
        certificate.chain_pem,
        sealed_key,
    )


def certificate_of(row: Row, key: Secret) -> Certificate:
    """From the values of ``CERTIFICATE_COLUMNS``."""
    link, generation, fingerprint, issuer, names, key_type, not_before, not_after, issued_at, chain, _ = row[:11]
    return Certificate(
        link=str(link),
        generation=str(generation),
        fingerprint=str(fingerprint),
        issuer=str(issuer),
        domains=tuple(str(names).split()),
        key_type=str(key_type),
        not_before=moment(not_before),
        not_after=moment(not_after),
        chain_pem=str(chain),
        key=key,
        issued_at=moment(issued_at),
    )


def generation_of(row: Row) -> Generation:
    """The same without chain and key: link, generation, fingerprint, issuer, names, not_before, not_after."""
    link, name, fingerprint, issuer, names, not_before, not_after = row
    return Generation(
        link=str(link),
        name=str(name),
        fingerprint=str(fingerprint),
        issuer=str(issuer),
        domains=tuple(str(names).split()),
        not_before=moment(not_before),
        not_after=moment(not_after),
    )


def serial_of(chain_pem: str) -> str:
    """The leaf's serial number. Only who writes a certificate loads its parser."""
    serial: str = importlib.import_module("certd.pki.chain").serial_of(chain_pem)
    return serial


def key_mark(key: Secret) -> str:
    """The mark by which a compromised key is known again. Only who writes a key loads its parser."""
    mark: str = importlib.import_module("certd.pki.keys").key_mark(key)
    return mark

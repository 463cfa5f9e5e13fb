"""C: TLS as clients get it. Every check asks each address."""

from __future__ import annotations

import ssl
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certd.diagnosis.findings import Result, fail, skip, warn, well, worst
from certd.diagnosis.subject import Subject
from certd.pki.chain import fingerprint_of, names_of
from certd.pki.placeholder import is_marked
from certd.planning.margin import HALF, QUARTER, left_of_life
from certd.probes.inspection import Inspection
from certd.timefmt import counted

HANDSHAKES = 20
SPREAD_SECONDS = 2.0
PENDING = timedelta(minutes=10)

# Names on a leaf that say who answers in the link's place.
STRANGERS = {
    "sendgrid.net": "SendGrid's own certificate: the CNAME, or the proxy, leads to SendGrid itself",
    "execute-api": "API Gateway's own: its custom domain is not mapped to the API",
    "sni.cloudflaressl.com": "Cloudflare's own: the host is not set up there",
    "traefik.default": "Traefik's default: it has no certificate for this host, or could not read it",
}


def _each(subject: Subject, judge: Callable[[str, Inspection], Result]) -> Result:
    if subject.is_at_service() and not subject.desired.endpoints:
        return skip("it points at the e-mail service")
    return worst([judge(address, subject.shown(address, flag)) for address, flag in subject.addresses()])


def _each_of_ours(subject: Subject, judge: Callable[[str, Inspection], Result]) -> Result:
    if not subject.desired.front:
        return _each(subject, judge)
    return worst([judge(address, subject.shown(address, flag)) for address, flag in subject.places_of_ours()])


def connect(subject: Subject) -> Result:
    """C1: every address answers by TLS."""

    def judge(address: str, shown: Inspection) -> Result:
        if shown.trouble:
            return fail(f"{address}: {shown.trouble}", "start the proxy there, open the port, or remove the address")
        return well(f"{address}: {shown.version}")

    return _each(subject, judge)


def valid(subject: Subject) -> Result:
    """C2: clients trust what each address shows."""
    flags = dict(subject.addresses())

    def judge(address: str, shown: Inspection) -> Result:
        if not shown.chain:
            return skip(f"{address}: {shown.trouble or 'it shows nothing'}")
        leaf = shown.chain[0]
        text = " ".join((*_names(leaf), leaf.subject.rfc4514_string().lower()))
        wrong = subject.leg(address, flags.get(address, False)).certificate
        if not wrong:
            return well(f"{address}: trusted, until {leaf.not_valid_after_utc:%Y-%m-%d %H:%MZ}")
        if is_marked(leaf):
            return fail(f"{address}: {wrong}", "`certd once` orders the first certificate")
        stranger = next((words for name, words in STRANGERS.items() if name in text), "")
        return fail(
            f"{address}: {wrong}{': ' + stranger if stranger else ''}",
            _at_front(subject) or "see `certd status` for what is deployed",
        )

    return _each(subject, judge)


def current(subject: Subject) -> Result:
    """C3: what is served is the newest."""
    wanted = subject.chart.facts.current if subject.chart and subject.chart.facts else None
    if wanted is None:
        return skip("no certificate is recorded for it")

    def judge(address: str, shown: Inspection) -> Result:
        if not shown.chain:
            return skip(f"{address}: {shown.trouble}")
        leaf = shown.chain[0]
        if _fingerprint(leaf) == wanted.fingerprint:
            return well(f"{address}: the newest ({wanted.generation})")
        until = f"until {leaf.not_valid_after_utc:%Y-%m-%d %H:%MZ}"
        if leaf.not_valid_after_utc >= wanted.not_after:
            return warn(
                f"{address}: another certificate than ours, {until}", "somebody else deploys here: `certd status`"
            )
        if subject.now() - wanted.issued_at < PENDING:
            return warn(f"{address}: an older one, {until}: the new one is being deployed", "look again in a minute")
        return fail(
            f"{address}: an older one, {until}; the newest is {wanted.generation}",
            "the proxy did not load it: see the deploy path below",
        )

    return _each_of_ours(subject, judge)


def all_workers(subject: Subject) -> Result:
    """C4: twenty fresh handshakes spread over two seconds show one certificate."""

    def judge(address: str, shown: Inspection) -> Result:
        if not shown.chain:
            return skip(f"{address}: {shown.trouble}")
        flag = dict(subject.places_of_ours()).get(address, False)
        counts: Counter[str] = Counter()
        for number in range(HANDSHAKES):
            again = subject.shown(address, flag, attempt=number + 1)
            counts[_fingerprint(again.chain[0])[:8] if again.chain else again.trouble] += 1
            time.sleep(SPREAD_SECONDS / HANDSHAKES)
        if len(counts) > 1:
            told = ", ".join(f"{count} x {name}" for name, count in counts.most_common())
            return fail(
                f"{address}: its workers show different things: {told}",
                "an old worker, or another server on the same port: restart the proxy",
            )
        return well(f"{address}: {HANDSHAKES} handshakes, one certificate")

    return _each_of_ours(subject, judge)


def chain_sent(subject: Subject) -> Result:
    """C5: the issuers are sent, not the leaf alone."""

    def judge(address: str, shown: Inspection) -> Result:
        if not shown.chain:
            return skip(f"{address}: {shown.trouble}")
        if is_marked(shown.chain[0]):
            return skip(f"{address}: certd's placeholder")
        if len(shown.chain) < 2:
            return fail(
                f"{address}: the leaf alone: clients that know no intermediate refuse it",
                "use fullchain.pem, not cert.pem, in the proxy's configuration",
            )
        return well(f"{address}: leaf and {counted(len(shown.chain) - 1, 'issuer')}")

    return _each(subject, judge)


def no_sni(subject: Subject) -> Result:
    """C6: what a client without SNI gets, to know."""

    def judge(address: str, shown: Inspection) -> Result:
        flag = dict(subject.addresses()).get(address, False)
        plain = subject.shown(address, flag, sni=False)
        if not plain.chain:
            return well(f"{address}: nothing without SNI ({plain.trouble})")
        return well(f"{address}: without SNI, {', '.join(_names(plain.chain[0])[:2]) or 'a certificate without names'}")

    return _each(subject, judge)


def versions(subject: Subject) -> Result:
    """C7: TLS 1.2 and 1.3, and nothing older."""

    def judge(address: str, shown: Inspection) -> Result:
        if not shown.chain:
            return skip(f"{address}: {shown.trouble}")
        flag = dict(subject.addresses()).get(address, False)
        if not subject.shown(address, flag, most=ssl.TLSVersion.TLSv1_1).trouble:
            return warn(
                f"{address}: takes TLS 1.1 or older", "ssl_protocols TLSv1.2 TLSv1.3, or what your proxy calls it"
            )
        if subject.shown(address, flag, most=ssl.TLSVersion.TLSv1_2).trouble:
            return warn(f"{address}: refuses TLS 1.2, which older mail readers need", "allow TLS 1.2")
        if subject.shown(address, flag, least=ssl.TLSVersion.TLSv1_3).trouble:
            return warn(f"{address}: refuses TLS 1.3", "allow TLS 1.3")
        return well(f"{address}: TLS 1.2 and 1.3, none older")

    return _each(subject, judge)


def days_left(subject: Subject) -> Result:
    """C8: enough of the life of what is served is left."""

    def judge(address: str, shown: Inspection) -> Result:
        if not shown.chain:
            return skip(f"{address}: {shown.trouble}")
        leaf, now = shown.chain[0], subject.now()
        if is_marked(leaf):
            return skip(f"{address}: certd's placeholder")
        life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
        left = leaf.not_valid_after_utc - now
        words = f"{address}: {max(left, timedelta(0)).days} days left of {life.days}"
        if left <= timedelta(0):
            hint = _at_front(subject) or "certd renew --force"
            return fail(f"{address}: expired at {leaf.not_valid_after_utc:%Y-%m-%d %H:%MZ}", hint)
        hint = _at_front(subject) or "it should have been renewed: `certd status` says why not"
        if left < life * left_of_life(HALF):
            return fail(words, hint)
        return warn(words, hint) if left < life * left_of_life(QUARTER) else well(words)

    return _each(subject, judge)


def alpn(subject: Subject) -> Result:
    """C9: which protocol it chooses, to know."""
    return _each(
        subject,
        lambda address, shown: (
            well(f"{address}: {shown.protocol or 'no ALPN'}") if shown.chain else skip(f"{address}: {shown.trouble}")
        ),
    )


def ca_issuer(subject: Subject) -> Result:
    """C10: it is the configured CA's."""
    wanted = subject.chart.facts.current if subject.chart and subject.chart.facts else None
    if wanted is None:
        return skip("no certificate is recorded for it")
    issuer = x509.load_pem_x509_certificate(wanted.chain_pem.encode()).issuer if wanted.chain_pem else None

    def judge(address: str, shown: Inspection) -> Result:
        if not shown.chain or issuer is None:
            return skip(f"{address}: {shown.trouble}")
        served = shown.chain[0].issuer
        if is_marked(shown.chain[0]):
            return skip(f"{address}: certd's placeholder")
        if served != issuer:
            return warn(
                f"{address}: issued by {served.rfc4514_string()}, ours by {issuer.rfc4514_string()}",
                "somebody else deploys here",
            )
        return well(f"{address}: {served.rfc4514_string()}")

    return _each_of_ours(subject, judge)


def _at_front(subject: Subject) -> str:
    """The hint where somebody else ends TLS at the public name."""
    front = subject.desired.front
    return f"the {front.upper()} ends TLS there: see to its certificate" if front else ""


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        return names_of(leaf)
    except Exception:  # noqa: BLE001 (whatever a stranger's certificate does, it has no names then)
        return ()


def _fingerprint(leaf: x509.Certificate) -> str:
    return fingerprint_of(leaf.public_bytes(Encoding.DER))

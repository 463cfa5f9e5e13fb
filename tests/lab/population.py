"""A store full of links in every state, without any CA: what pages and figures are tried on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certd.app import App
from certd.clicks.model import ClickFacts, ClickLook, Direction, Leg, Pointing
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.model import (
    NO_ATTEMPT,
    Attempt,
    Certificate,
    Deployment,
    Health,
    LineageFacts,
    Observation,
    RenewalWindow,
    Secret,
)
from certd.state import prepare_state, stores_of
from certd.status.bulk import BulkStatus
from certd.store.codec import CERTIFICATE_COLUMNS, DEPLOYMENT, attempts_body, certificate_values
from certd.store.history import note
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal
from certd.targets.layout import as_generation
from certd.web import Access, Site, StepCounter, Vitals, WebServer
from certd.web.site import FIGURES, QUICK
from tests.lab.ports import free_port

CONFIG = """
[certd]
state = "{state}"
node = "proxy-1"
{certd}

[issuer.letsencrypt]
terms_agreed = true

[dns.corp]
provider = "rfc2136"
server = "192.0.2.53"
tsig = "file:tsig.key"

[proxy.nginx]
[proxy.edge]
kind = "haproxy"
reload = "none"
"""

LIFE = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """One link.

    Attributes:
        age: Share of the life that is gone; below 0: nothing issued yet.
        shows: What its endpoint shows: "newest", "older", "stranger", "blind" or "" for nothing deployed yet.
        fails: A kind of failure with its words.
    """

    name: str
    age: float = 0.3
    shows: str = "newest"
    fails: tuple[str, str] | None = None
    labels: dict[str, str] = field(default_factory=dict)
    proxies: tuple[str, ...] = ("nginx",)
    others: tuple[str, ...] = ()


CAST = (
    Character(name="link.example.com", labels={"brand": "blue"}, proxies=("nginx", "edge")),
    Character(name="click.shop.example", age=0.665, labels={"brand": "blue"}),
    Character(
        name="go.news.example",
        age=0.88,
        fails=(
            "rateLimited",
            "too many failed authorizations (5) for "
            '"go.news.example" in the last 1h0m0s, retry after 2027-01-01 12:00:00 UTC',
        ),
    ),
    Character(name="track.travel.example", age=0.5, shows="older"),
    Character(name="mail.bank.example", age=0.2, shows="stranger"),
    Character(name="l.dark.example", age=0.4, shows="blind"),
    Character(name="e.late.example", age=1.02, fails=("caa", "late.example has a CAA record that forbids us")),
    Character(name="new.start.example", age=-1, shows="", labels={"brand": "<script>alert(1)</script>"}),
    Character(name="_wildcard.many.example", others=("*.many.example", "many.example", "xn--bcher-kva.example")),
)


class Population:
    """An application over a store with these links, and its site on a port of the system's choice."""

    def __init__(self, folder: Path, cast: Sequence[Character] = CAST, *, certd: str = "") -> None:
        folder.mkdir(exist_ok=True)
        (folder / "tsig.key").write_text('key "k" { algorithm hmac-sha256; secret "AAAA"; };')
        path = folder / "certd.toml"
        path.write_text(CONFIG.format(state=folder / "state", certd=certd) + "".join(map(_table, cast)))
        settings = load(path, known_choices())
        prepare_state(settings)
        self.stores = stores_of(settings)
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.step_counter = StepCounter(LoggingJournal())
        self.app = App(settings, self.stores, SystemClock(), self.step_counter)
        self.stores.specs.set([link.spec for link in settings.links])
        self._fill(cast)
        self.trouble = ""
        self.alive = True
        self.bulk_status = BulkStatus(lambda: self.app)
        self.vitals = Vitals(
            app=lambda: self.app,
            bulk_status=self.bulk_status,
            is_alive=lambda: self.alive,
            trouble=lambda: self.trouble,
            last_pass=lambda: self.now.timestamp(),
            busy=lambda: {"issuer:letsencrypt": 2},
        )

    def site(self, password: str = "") -> Site:
        """Its pages."""
        return Site(self.vitals, Access((lambda: Secret(password)) if password else None), self.step_counter)

    def server(self, listen: str = "127.0.0.1:0", password: str = "") -> WebServer:
        """Its pages on an address, started."""
        listen = listen.replace(":0", f":{free_port()}") if listen.endswith(":0") else listen
        made = WebServer(listen, self.site(password).answer, quick=QUICK.__contains__, is_figures=FIGURES.__contains__)
        made.start()
        return made

    def close(self) -> None:
        """Give the store back."""
        self.stores.close()

    def _fill(self, cast: Sequence[Character]) -> None:
        lineages = self.stores.lineages
        made = [(one, *self._certificates(one)) for one in cast]
        # One transaction for ten thousand links; the store's own way takes one for each.
        with lineages.database.writing() as transaction:
            for one, newest, older in made:
                attempt = NO_ATTEMPT
                if one.fails:
                    attempt = Attempt(
                        failures=4,
                        kind=one.fails[0],
                        message=one.fails[1],
                        failed_at=self.now - timedelta(minutes=7),
                        first_failed_at=self.now - timedelta(hours=9),
                        not_before=self.now + timedelta(minutes=53),
                        hint="see what the CA says",
                    )
                current = None
                if one.age >= 0:
                    lineages._keep_certificate(transaction, older)
                    lineages._keep_certificate(transaction, newest)
                    current = newest
                    if len(cast) < 100:
                        note(transaction, one.name, "issued", "proxy-1", "the CA suggests it now", newest)
                transaction.execute(
                    "INSERT INTO lineage (link, current, attempt) VALUES (?, ?, ?)",
                    one.name,
                    newest.fingerprint if current else "",
                    attempts_body(LineageFacts(link=one.name, current=current, attempt=attempt)),
                )
            transaction.execute("UPDATE work SET due = due + 1000000")
        self._click(cast)
        with self.stores.node.database.writing() as transaction:
            position = 0
            for one, newest, older in made:
                for certificate in (older, newest) if one.shows else ():
                    position += 1
                    transaction.execute(
                        f"INSERT INTO copy ({CERTIFICATE_COLUMNS}, position) VALUES ({'?, ' * 11}?)",  # noqa: S608
                        *certificate_values(certificate, "sealed"),
                        position,
                    )
                for proxy in one.proxies if one.shows else ():
                    body = DEPLOYMENT.dump_json(self._deployment(one, newest, older)).decode()
                    transaction.execute(
                        "INSERT INTO deployment (proxy, link, body) VALUES (?, ?, ?)", proxy, one.name, body
                    )

    def _click(self, cast: Sequence[Character]) -> None:
        """The last look at the way of a click on some of them."""
        at = self.now - timedelta(seconds=90)
        good = Leg(
            address="203.0.113.7:443",
            is_public=True,
            status=302,
            milliseconds=84.0,
            fingerprint="aa",
            not_after=self.now + LIFE * 0.7,
        )
        here = Pointing(speaker="192.0.2.1", aliases=("edge.example.com",), addresses=("203.0.113.7",))
        away = Pointing(speaker="192.0.2.1", aliases=("sendgrid.net",), addresses=("167.89.1.1",))
        looks = {
            "link.example.com": ClickLook(
                at=at,
                pointing=here,
                direction=Direction.HERE,
                words="DNS leads here",
                legs=(good,),
                upstream_status=302,
            ),
            "mail.bank.example": ClickLook(
                at=at, pointing=away, direction=Direction.SERVICE, words="DNS leads to the e-mail service, sendgrid.net"
            ),
            "new.start.example": ClickLook(
                at=at, pointing=away, direction=Direction.SERVICE, words="DNS leads to the e-mail service"
            ),
        }
        names = [one.name for one in cast if one.name in looks]
        clicks = self.stores.clicks
        clicks.want([(name, name, timedelta(minutes=5)) for name in names], self.now)
        for name in names:
            arrived = None if name == "new.start.example" else at - timedelta(days=9)
            failures = 3 if name == "mail.bank.example" else 0
            facts = ClickFacts(link=name, host=name, look=looks[name], arrived_at=arrived, failures=failures)
            clicks.keep(facts, self.now + timedelta(minutes=4))

    def _certificates(self, one: Character) -> tuple[Certificate, Certificate]:
        begin = self.now - LIFE * max(one.age, 0)
        newest = _certificate(one, begin)
        moment = begin + LIFE * 0.665
        window = RenewalWindow(
            start=begin + LIFE * 0.655,
            end=begin + LIFE * 0.675,
            moment=moment,
            look_again_at=self.now + timedelta(hours=5),
        )
        return replace(newest, window=window, window_look_at=self.now + timedelta(hours=5)), _certificate(
            one, begin - LIFE * 0.66
        )

    def _deployment(self, one: Character, newest: Certificate, older: Certificate) -> Deployment:
        shown = {"newest": newest.fingerprint, "older": older.fingerprint, "stranger": "f" * 64, "blind": ""}[one.shows]
        ends = {"newest": newest.not_after, "older": older.not_after, "stranger": newest.not_after + LIFE}
        health = Health.BLIND if one.shows == "blind" else Health.GOOD
        error = {
            "older": 'nginx: [emerg] unknown directive "sll" in /etc/nginx/conf.d/other.conf:3',
            "blind": "no address can be seen: timed out",
        }.get(one.shows, "")
        observations = tuple(
            Observation(
                endpoint=at,
                address=at,
                health=health,
                at=self.now - timedelta(seconds=40),
                fingerprint=shown,
                not_after=ends.get(one.shows),
                because="timed out" if health is Health.BLIND else "",
            )
            for at in ("127.0.0.1:443", "[::1]:443")
        )
        generation = as_generation(newest)
        return Deployment(
            link=one.name,
            domains=newest.domains,
            pointed=generation,
            served=newest.fingerprint if one.shows in {"newest", "stranger"} else "",
            verified_at=self.now - LIFE * 0.1,
            looked_at=self.now - timedelta(seconds=40),
            observations=observations,
            error=error,
            failures=5 if error else 0,
            try_at=self.now + timedelta(minutes=2) if error else None,
            tried=generation.name if error else "",
        )


def _certificate(one: Character, begin: datetime) -> Certificate:
    fingerprint = hashlib.sha256(f"{one.name}{begin}".encode()).hexdigest()
    return Certificate(
        link=one.name,
        generation=f"{begin:%Y%m%dT%H%M%SZ}-{fingerprint[:8]}",
        fingerprint=fingerprint,
        issuer="letsencrypt",
        domains=tuple(sorted((_domain(one), *one.others))),
        key_type="ecdsa-p256",
        not_before=begin,
        not_after=begin + LIFE,
        chain_pem="chain",
        key=Secret("key"),
        issued_at=begin,
        ari_id="aki.serial",
    )


def _domain(one: Character) -> str:
    return one.others[0] if one.others else one.name


def _table(one: Character) -> str:
    domains = ", ".join(f'"{name}"' for name in (one.others or (one.name,)))
    labels = ", ".join(f'{name} = "{value}"' for name, value in one.labels.items())
    proxies = ", ".join(f'"{name}"' for name in one.proxies)
    return f'\n[[link]]\nname = "{one.name}"\ndomain = [{domains}]\nproxy = [{proxies}]\nlabels = {{ {labels} }}\n'

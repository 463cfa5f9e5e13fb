"""One certificate after the other on a real proxy, by certd's own target, under clients that see every moment of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from certd.deployment.placeholders import publish_placeholders
from certd.model import Certificate
from certd.pki.chain import read_certificate
from certd.ports import Verdict
from certd.system.clock import SystemClock
from certd.targets.factory import make_target
from certd.targets.files_target import FilesTarget
from certd.targets.layout import no_group
from tests.lab.certificates import DAY, NOW, Issuer, make_ca, make_leaf
from tests.lab.gallery import Stage
from tests.lab.shaking import Load

PATIENCE = 30.0
IN_A_ROW = 20


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of it."""

    rotations: int
    handshakes: int
    lost: int
    failures: list[str]
    seconds: float
    certificates: int

    def __str__(self) -> str:
        rate = self.handshakes / self.seconds
        return (
            f"{self.rotations} rotations, {self.handshakes} handshakes ({rate:.0f}/s) over {self.seconds:.0f} s, "
            f"{self.certificates} certificates seen, {self.lost} failures"
        )


def target_of(stage: Stage) -> FilesTarget:
    """certd's own target for a stage."""
    reload, check = stage.table["reload"], stage.table["check"]
    assert isinstance(check, list)
    return make_target(
        name=stage.name,
        kind=stage.preset,
        reload=str(reload),
        check=tuple(check),
        endpoints=(),
        paths={},
        path_map={},
        public=stage.state / "public",
        find_group=no_group,
        egress=NotImplemented,
    )


def issued(authority: Issuer, link: str, *, days: int = 90) -> Certificate:
    """A new pair."""
    leaf = make_leaf(authority, link, start=NOW - DAY, life=timedelta(days=days))
    return read_certificate(leaf.pem + authority.pem, leaf.key, link=link, issuer="lab", issued_at=NOW)


def rotate(folder: Path, kind: str, *, times: int, processes: int = 1) -> Figures:
    """Install, point, check, reload, see it served; over and over."""
    authority = make_ca("lab root")
    roots = folder / "roots.pem"
    roots.write_text(authority.pem)
    stage = Stage(kind, "edge", folder / "edge", folder / "state", "link.example.test")
    target = target_of(stage)
    publish_placeholders(target, {stage.link: [stage.link]}, SystemClock())
    try:
        stage.start()
        first = publish(target, issued(authority, stage.link))
        wait_for(stage, authority, first)
        with Load(stage.tls, stage.link, roots, processes=processes) as load:
            for _ in range(times):
                wait_for(stage, authority, publish(target, issued(authority, stage.link)))
    finally:
        stage.stop()
    serials = {serial for seen in load.seen for serial in seen.serials}
    return Figures(
        rotations=times,
        handshakes=sum(seen.handshakes for seen in load.seen),
        lost=sum(seen.lost for seen in load.seen),
        failures=[failure for seen in load.seen for failure in seen.failures],
        seconds=max(seen.seconds for seen in load.seen),
        certificates=len(serials),
    )


def wait_for(stage: Stage, authority: Issuer, serial: str) -> None:
    """Until clients get this one, twenty times in a row: nginx was seen to serve old and new interleaved for 250 ms."""
    deadline = time.monotonic() + PATIENCE
    in_a_row = 0
    while in_a_row < IN_A_ROW:
        in_a_row = in_a_row + 1 if shown(stage, authority) == serial else 0
        assert time.monotonic() < deadline, f"{stage.kind}: it is not served"
        time.sleep(0.01)


def shown(stage: Stage, authority: Issuer) -> str:
    """What a client gets; empty where it stumbles, which the clients of the load judge."""
    try:
        return stage.shown(authority.pem)
    except OSError:
        return ""


def publish(target: FilesTarget, certificate: Certificate) -> str:
    """Publish it and have the proxy load it; returns its serial number as Python's ``ssl`` shows it."""
    generation = target.install(certificate)
    target.point(certificate.link, generation)
    assert target.check().verdict is not Verdict.NO, target.check().words
    asked = target.reload((generation,))
    assert asked.verdict is Verdict.YES, asked.words
    return serial_of(certificate)


def serial_of(certificate: Certificate) -> str:
    """In hex with an even number of digits."""
    number = x509.load_pem_x509_certificate(certificate.chain_pem.encode()).serial_number
    text = f"{number:X}"
    return text if len(text) % 2 == 0 else f"0{text}"

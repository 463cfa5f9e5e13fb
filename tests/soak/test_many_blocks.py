"""nginx with 2,000 server blocks, and 200 links due at once: one reload at a time, everything served."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.lab.certificates import make_leaf
from tests.lab.gallery import Gallery, Stage
from tests.lab.shaking import Load

LINKS = 200
BLOCKS = 1800


class ManyLinks(Gallery):
    """One nginx, many links."""

    def write_config(self) -> None:
        super().write_config()
        more = "".join(f'[[link]]\ndomain = "m{n}.example.test"\nproxy = "p0"\n' for n in range(LINKS - 1))
        self.config.write_text(self.config.read_text() + more)

    def crowd(self, stage: Stage) -> None:
        """Server blocks: of the other links, and many of strangers."""
        leaf = make_leaf(self.authority, "stranger.example.test")
        chain, key = stage.folder / "s.pem", stage.folder / "s.key"
        chain.write_text(leaf.pem)
        key.write_text(leaf.key.reveal())
        place = f"listen 127.0.0.1:{stage.tls} ssl;"
        own = [(f"m{n}.example.test", f"include {stage.pointers}/m{n}.example.test.conf;") for n in range(LINKS - 1)]
        theirs = f"ssl_certificate {chain}; ssl_certificate_key {key};"
        others = [(f"s{n}.example.test", theirs) for n in range(BLOCKS)]
        stage.extra_site = "".join(
            f"server {{ {place} server_name {name}; {lines} location / {{ return 204; }} }}\n"
            for name, lines in own + others
        )
        stage.write_site()


@pytest.mark.timeout(600)
@pytest.mark.lab("nginx")
def test_two_hundred_links_due_at_once(short_path: Path) -> None:
    """At most one reload is in flight, a handful does for all, and no client stumbles."""
    gallery = ManyLinks(short_path, {"one": "nginx"})
    stage = gallery.stages["one"]
    gallery.crowd(stage)
    links = [stage.link, *(f"m{n}.example.test" for n in range(LINKS - 1))]
    with gallery:

        def adopt(days: int) -> tuple[float, int]:
            reloads = gallery.log().count("reloaded  proxy=p0")
            started = time.monotonic()
            gallery.adopt_for(links, days=days)
            assert gallery.all_served(links, 240), gallery.log()[-3000:]
            return time.monotonic() - started, gallery.log().count("reloaded  proxy=p0") - reloads

        adopt(60)
        with Load(stage.tls, stage.link, gallery.roots, processes=1) as load:
            seconds, reloads = adopt(90)
    errors = (stage.folder / "error.log").read_text()
    begun = len(re.findall(r"signal 1 \(SIGHUP\) received", errors))
    failures = [failure for seen in load.seen for failure in seen.failures]
    handshakes = sum(seen.handshakes for seen in load.seen)
    print(
        f"\nnginx, {BLOCKS + LINKS} server blocks: {LINKS} links due at once are served after {seconds:.0f} s with "
        f"{reloads} reloads ({begun} signals in all), {handshakes} handshakes meanwhile, {len(failures)} failures"
    )
    assert failures == []
    assert reloads <= 5
    # Each rollout of a proxy holds its lease from the reload to the proof: no two can be on their way.
    assert begun == gallery.log().count("reloaded  proxy=p0")

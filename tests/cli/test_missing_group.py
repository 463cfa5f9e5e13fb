"""A group that does not exist is one proxy's failure; everything else goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.test_transcripts import ROOT, certd
from tests.lab.process import Process

CONFIG = """
[certd]
state = "{folder}/state"
issue = false
listen = ""

[proxy.edge]
kind = "nginx"
group = "no-such-group"

[[link]]
domain = "a.example.com"
proxy = "edge"

[[link]]
domain = "b.example.com"
proxy = "nginx"
"""

WORDS = "proxy.edge.group: there is no group no-such-group"


def test_publish_says_it_and_serves_the_others(short_path: Path) -> None:
    """Exit code 1, the reason and the way out; what the other proxy needs is there."""
    (short_path / "certd.toml").write_text(CONFIG.format(folder=short_path))
    done = certd(short_path, "publish")
    assert done.returncode == 1
    assert WORDS in done.stderr
    assert "groupadd --system no-such-group" in done.stderr
    assert "b.example.com  nginx  placeholder" in done.stdout
    refused = certd(short_path, "proxy-config", "a.example.com")
    assert "Traceback" not in refused.stderr


def test_the_daemon_starts_and_takes_the_group_when_it_is_there(short_path: Path) -> None:
    """It warns of that proxy, publishes for the other one, and tries again."""
    (short_path / "certd.toml").write_text(CONFIG.format(folder=short_path))
    argv = [sys.executable, "-m", "certd", "--config", str(short_path / "certd.toml"), "run"]
    with Process(argv, log=short_path / "log", cwd=ROOT) as daemon:
        pointers = short_path / "state/public/proxies"
        daemon.wait_until((pointers / "nginx/b.example.com.conf").exists, what="the other proxy's pointer")
        daemon.wait_until(lambda: WORDS in daemon.output(), what="the warning")
        assert not (pointers / "edge/a.example.com.conf").exists()
        assert daemon.is_running()


def test_a_group_that_is_made_later_is_found(short_path: Path) -> None:
    """It is looked up at each write."""
    code = f"""
import grp, sys
from pathlib import Path
from types import SimpleNamespace
from certd.config.settings import ProxySettings
from certd.errors import TargetError
from certd.wiring.targets import target_of
target = target_of(ProxySettings(name="edge", kind="nginx", group="later"), Path(sys.argv[1]), None, None, None)
try:
    target.layout.prepare("edge")
except TargetError as error:
    print(error)
found = grp.getgrgid({(short_path.stat().st_gid)})
grp.getgrnam = lambda name: found
target.layout.prepare("edge")
print((Path(sys.argv[1]) / "proxies/edge").stat().st_gid)
"""
    argv = [sys.executable, "-c", code, str(short_path / "public")]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, timeout=60)
    expected = ["proxy.edge.group: there is no group later", str(short_path.stat().st_gid)]
    assert done.stdout.splitlines() == expected, done.stderr

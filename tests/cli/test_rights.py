"""Whatever root runs by hand leaves nothing of root's in a service user's state folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.test_transcripts import GOOD
from tests.lab.bought import buy
from tests.lab.people import Installed, install

pytestmark = pytest.mark.lab("people")

OWNER = 54321
LINK = "link.example.com"


@dataclass(frozen=True)
class Place:
    """A configuration, a backup, another client's folder, a certificate, and a service user's state folder."""

    folder: Path
    installed: Installed

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / "state"

    def run(self, *words: str, user: int = 0) -> subprocess.CompletedProcess[str]:
        """A command, as root unless said otherwise."""
        return self.installed.run(user, [user], "--config", str(self.folder / "certd.toml"), *words)

    def begin(self, state: str) -> None:
        """Put a state folder there: "empty" or "used"."""
        shutil.rmtree(self.state, ignore_errors=True)
        subprocess.run(["cp", "-a", str(self.folder / state), str(self.state)], check=True)

    def not_the_owners(self) -> set[str]:
        """What lies in the state folder and is not its owner's."""
        return {str(path.relative_to(self.state)) for path in self.state.rglob("*") if path.lstat().st_uid != OWNER}


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Made once; each test begins with a state folder of its own."""
    with tempfile.TemporaryDirectory(prefix="certd-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "program").mkdir(mode=0o755)
        found = Place(folder, install(folder / "program"))
        (folder / "certd.toml").write_text(GOOD.format(folder=folder) + "\n[alarms]\ncommand = ['/bin/true']\n")
        (folder / "tsig.key").write_text("certd:hmac-sha256:c2VjcmV0")
        (folder / "lego").mkdir()
        buy(folder / "bought", LINK, days=90)
        for state in ("empty", "used"):
            (folder / state).mkdir()
            os.chown(folder / state, OWNER, OWNER)
        found.begin("empty")
        os.chown(folder / "tsig.key", OWNER, OWNER)
        done = found.run("publish", user=OWNER)
        assert done.returncode == 0, done.stderr
        assert found.run("backup", str(folder / "backup.tar")).returncode == 0
        shutil.rmtree(folder / "used")
        found.state.rename(folder / "used")
        yield found


@pytest.mark.parametrize(
    "words",
    [
        ["restore", "backup.tar", "--replace"],
        ["publish"],
        ["proxy-config", LINK],
        ["reseal", "--new-key"],
        ["alarm", "test"],
        ["import", "files", LINK, "bought/chain.pem", "bought/key.pem"],
        ["import", "lego", "lego"],
        ["rehearse", LINK],
        ["dns", "request", LINK],
        ["once", "--wait", "1s"],
        ["revoke", LINK],
        ["renew"],
        ["account", "show"],
        ["account", "rollover", "letsencrypt"],
        ["hold", LINK, "--until", "2h"],
        ["forget", LINK],
        ["status"],
        ["plan"],
        ["history"],
        ["check", LINK],
        ["cutover", LINK],
        ["config", "check"],
        ["reload"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("state", ["empty", "used"])
def test_nothing_of_roots_is_left(place: Place, words: list[str], state: str) -> None:
    """Neither in a folder that nothing was written into yet, nor beside what the service wrote."""
    place.begin(state)
    done = place.run(*[str(place.folder / word) if (place.folder / word).exists() else word for word in words])
    assert "Traceback" not in done.stderr
    assert place.not_the_owners() == set(), done.stderr
    assert "Permission denied" not in done.stderr

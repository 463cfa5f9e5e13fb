"""Who may read what is published, in a sandbox that may not change a group (systemd's PrivateUsers=)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to a group")

USER, GROUP = 54321, 54322

# As a user who is not in the group, in a user namespace that knows nobody but him: what PrivateUsers= makes.
WRITE = """
import ctypes, encodings.ascii, os, sys
from pathlib import Path
from certd.system.files import NewFile, make_folder, write_atomic, write_folder, write_together
libc = ctypes.CDLL(None, use_errno=True)
os.setgroups([])
os.setgid({user})
os.setuid({user})
libc.prctl(4, 1, 0, 0, 0)
if libc.unshare(0x10000000) != 0:
    sys.exit(77)
Path("/proc/self/setgroups").write_text("deny")
Path("/proc/self/uid_map").write_text("{user} {user} 1")
Path("/proc/self/gid_map").write_text("{user} {user} 1")
os.umask(0o027)
public = Path(sys.argv[1])
make_folder(public / "certs", mode=0o2750, group={group})
make_folder(public / "certs" / "link", mode=0o2750, group={group})
write_folder(public / "certs" / "link" / "g", {{"key.pem": b"k"}}, mode=0o750, file_mode=0o640, group={group})
write_atomic(public / "certs" / "pointer", b"p", mode=0o640, group={group})
file = NewFile(path=public / "certs" / "other", data=b"o", mode=0o640, group={group})
write_together([file])
print("there", file.is_there())
"""


def written(public: Path) -> subprocess.CompletedProcess[str]:
    """Write a generation and a pointer there."""
    argv = [sys.executable, "-c", WRITE.format(user=USER, group=GROUP), str(public)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    if done.returncode == 77:
        pytest.skip("no user namespace may be made here")
    return done


def test_a_set_group_id_folder_passes_its_group_on(short_path: Path) -> None:
    """Nothing is changed that the sandbox may not change, and everything is the group's."""
    public = short_path / "public"
    public.mkdir()
    os.chown(public, USER, GROUP)
    public.chmod(0o2750)
    done = written(public)
    assert done.returncode == 0, done.stderr
    # Else a daemon in its sandbox would write it anew for ever.
    assert done.stdout == "there True\n"
    found = {
        str(path.relative_to(public)): (path.stat().st_uid, path.stat().st_gid, f"{path.stat().st_mode & 0o7777:o}")
        for path in public.rglob("*")
    }
    assert found == {
        "certs": (USER, GROUP, "2750"),
        "certs/link": (USER, GROUP, "2750"),
        "certs/link/g": (USER, GROUP, "750"),
        "certs/link/g/key.pem": (USER, GROUP, "640"),
        "certs/pointer": (USER, GROUP, "640"),
        "certs/other": (USER, GROUP, "640"),
    }


def test_a_folder_that_passes_nothing_on_is_an_error_in_words(short_path: Path) -> None:
    """Never a key that the proxy cannot read, found out at the handshake."""
    public = short_path / "public"
    public.mkdir()
    os.chown(public, USER, USER)
    done = written(public)
    assert done.returncode != 0
    assert f"group {GROUP} is outside this sandbox" in done.stderr

"""Becoming the owner of the state."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

BECOME = """
import os, socket, subprocess
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
from certd.system.rights import become
become({user}, {user})
print("ids", os.getresuid(), os.getresgid(), os.getgroups())
socket.socket().bind(("127.0.0.1", 53))
print("bound")
for path in ("/proc/self/status",):
    print([line for line in open(path) if line.startswith(("CapPrm", "CapEff", "CapInh", "CapAmb"))])
print(subprocess.run(["grep", "CapEff", "/proc/self/status"], capture_output=True, text=True).stdout)
try:
    open("/etc/shadow")
except PermissionError:
    print("no shadow")
try:
    os.setuid(0)
except PermissionError:
    print("no way back")
"""


@pytest.mark.parametrize("user", [1, 54321])
def test_all_rights_go_but_one(user: int) -> None:
    """Binding low ports stays, also for a user without a name; a child has nothing; there is no way back."""
    code = BECOME.format(user=user)
    done = subprocess.run(["unshare", "--net", sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    if "unshare" in done.stderr:
        pytest.skip(f"no network namespace may be made here: {done.stderr.strip()}")
    said = done.stdout
    assert f"ids ({user}, {user}, {user})" in said, done.stderr
    assert "bound" in said
    assert said.count("0000000000000400") == 2
    assert "CapEff:\t0000000000000000" in said
    assert "no shadow" in said
    assert "no way back" in said

"""systemd's credentials: the service is passed them, and commands by hand find theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.system.place import DOMAIN, SERVICE, Place, installed


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A machine of its own for this module."""
    yield from installed(tmp_path_factory)


def test_credentials_reach_the_service_and_nobody_else(place: Place) -> None:
    """What root puts into the credential store is readable for certd in its sandbox, under the name that a reference
    uses.
    """
    place.write("etc/credstore/certd.dns-token", "secret")
    (place.machine.root / "etc/credstore").chmod(0o700)
    place.write_config(place.config + '\n[alarms]\nwebhook = "credential:certd.dns-token"\n')
    place.machine.run("systemctl", "restart", SERVICE)
    folder = "/run/credentials/certd.service"
    inside = ("nsenter", "-t", str(place.pid()), "-m", "setpriv", "--reuid", "certd", "--clear-groups")
    assert place.machine.run(*inside, "cat", f"{folder}/certd.dns-token") == "secret"
    environment = place.machine.run("cat", f"/proc/{place.pid()}/environ")
    assert f"CREDENTIALS_DIRECTORY={folder}" in environment
    assert "secret" not in environment
    place.write_config(place.config)
    place.machine.run("systemctl", "restart", SERVICE)


def test_commands_by_hand_and_secrets_that_only_the_service_is_passed(place: Place) -> None:
    """While the service runs, root's commands find its credentials where systemd keeps them; while it does not, what
    needs none works, and the command line that the others print does what they were to do. A stranger gets none.
    """
    machine = place.machine
    place.write("etc/credstore/certd.seal", machine.run("cat", "/var/lib/certd/private/seal.key"))
    place.write("etc/credstore/certd.dns-token", f"command = {place.served()}")
    (machine.root / "etc/credstore").chmod(0o700)
    more = '[certd]\nseal = "credential:certd.seal"\n[alarms]\nwebhook = "credential:certd.dns-token"\n'
    place.write_config(place.config + more)
    try:
        machine.run("systemctl", "restart", SERVICE)
        machine.run("mv", "/var/lib/certd/private/seal.key", "/root/")
        machine.wait_until(place.is_active, "the restart")
        for command in (("status",), ("plan",), ("publish",), ("renew", DOMAIN, "--force", "--yes")):
            machine.run("certd", *command)
        machine.run("useradd", "-M", "nobody-special")
        refused = machine.tried(
            "runuser", "-u", "nobody-special", "--", "cat", "/run/credentials/certd.service/certd.seal"
        )
        assert refused.returncode != 0
        machine.run("systemctl", "stop", SERVICE)
        # Nobody renews while it is stopped.
        machine.run("certd", "status", code=3)
        for command in (("plan",), ("history",)):
            machine.run("certd", *command)
        said = machine.tried("certd", "once", "--wait", "2m")
        assert said.returncode == 1
        print(said.stderr)
        assert said.stderr.startswith("certd: error: credential:certd.seal: ")
        hint = said.stderr.splitlines()[1]
        (command,) = re.findall(r"sudo (systemd-run .*)", hint)
        assert command.endswith("certd once --wait 2m")
        done = machine.run("sh", "-c", command)
        print(done)
        assert f"{DOMAIN}  served until " in done
        assert place.foreign_files() == []
    finally:
        machine.run("sh", "-c", "mv -n /root/seal.key /var/lib/certd/private/ || true")
        place.write_config(place.config)
        machine.run("systemctl", "restart", SERVICE)

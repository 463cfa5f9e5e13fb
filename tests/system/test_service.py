"""The systemd service, installed as the README says, in a Debian that boots."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.lab.pebble import Pebble
from tests.system.place import DOMAIN, SERVICE, Place, installed

MOVE = """
import sqlite3, sys
connection = sqlite3.connect("/var/lib/certd/private/certd.db")
connection.execute("UPDATE schema_version SET version = version + ?", (int(sys.argv[1]),))
connection.commit()
"""

FORCE = f"""
from pathlib import Path
from certd.control.protocol import Question, Verb, ask
question = Question(verb=Verb.RENEW, links=("{DOMAIN}",), force=True, reserve=True)
print(ask(Path("/var/lib/certd/control.sock"), question))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A machine of its own for this module."""
    yield from installed(tmp_path_factory)


def test_it_obtains_under_its_sandbox_and_reloads_nginx_without_being_root(place: Place) -> None:
    """The first certificate is served; what reloaded nginx is root's helper, whose answer says so."""
    assert place.served()
    assert place.orders() == 1
    assert "certd" in place.machine.run("ps", "-o", "user=", "-p", str(place.pid()))
    answer = place.machine.run("cat", "/var/lib/certd-reload/nginx.result")
    assert re.match(r"[0-9a-f]{32} 0\n", answer), answer
    status = place.machine.run("cat", f"/proc/{place.pid()}/status")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


def test_the_journal_by_a_link(place: Place) -> None:
    """Each step is found by the fields that journald keeps, as the README asks for them; another link has none."""
    ask = ("journalctl", "--no-pager", "-o", "cat", "-u", "certd")
    said = place.machine.run(*ask, f"CERTD_LINK={DOMAIN}").splitlines()
    for step in ("ordered", "published", "issued", "served"):
        assert any(line.startswith(f"{step} ") for line in said), said
    assert all(DOMAIN in line for line in said)
    assert place.machine.tried(*ask, "CERTD_LINK=other.example.test").stdout.strip() in {"", "-- No entries --"}
    whole = place.machine.journal().splitlines()
    assert len(said) < len(whole)


def test_the_scores(place: Place) -> None:
    """As systemd in the machine judges the loaded units."""
    said = place.machine.run("systemd-analyze", "security", "--no-pager", SERVICE, "--threshold=12")
    print(said.splitlines()[-1])
    said = place.machine.run("systemd-analyze", "security", "--no-pager", "certd-reload@nginx.service", "--threshold=7")
    print(said.splitlines()[-1])


def test_the_group_reads_what_is_published_and_nobody_else_does(place: Place) -> None:
    """Keys are certd's to write, certd-read's to read, though the sandbox may not change a group."""
    machine = place.machine
    (key,) = machine.run("sh", "-c", "ls /var/lib/certd/public/certs/*/*/privkey.pem | tail -1").split()
    assert machine.run("stat", "-c", "%U:%G %a", key) == "certd:certd-read 640\n"
    machine.run("useradd", "-M", "-G", "certd-read", "reader")
    machine.run("useradd", "-M", "stranger")
    assert "PRIVATE KEY" in machine.run("runuser", "-u", "reader", "--", "cat", key)
    assert machine.tried("runuser", "-u", "stranger", "--", "cat", key).returncode != 0
    assert machine.tried("runuser", "-u", "reader", "--", "ls", "/var/lib/certd/private").returncode != 0


def test_sighup_reads_the_configuration_again(place: Place) -> None:
    """A broken file changes nothing and is said; systemctl reload with a good one is taken over."""
    place.write_config(place.config + "\n[nonsense]\nx = 1\n")
    place.machine.run("systemctl", "reload", SERVICE)
    place.machine.wait_until(lambda: "the old one stays" in place.machine.journal(), "the complaint")
    place.write_config(place.config)
    place.machine.run("systemctl", "reload", SERVICE)
    place.machine.wait_until(lambda: "configuration read again" in place.machine.journal(), "the new one")
    assert place.is_active()


def test_killed_it_comes_back_and_orders_nothing(place: Place) -> None:
    """kill -9: systemd starts it again, and it looks, and has nothing to do."""
    before, orders = place.pid(), place.orders()
    place.machine.run("kill", "-9", str(before))
    place.machine.wait_until(lambda: place.pid() not in {0, before} and place.is_active(), "the restart")
    assert place.served()
    assert place.orders() == orders


def test_frozen_it_is_ended_by_the_watchdog(place: Place) -> None:
    """A process that does not feed the watchdog is replaced."""
    place.write(f"etc/systemd/system/{SERVICE}.d/test.conf", "[Service]\nWatchdogSec=4\nTimeoutAbortSec=2\n")
    place.machine.run("systemctl", "daemon-reload")
    place.machine.run("systemctl", "restart", SERVICE)
    before = place.pid()
    place.machine.run("kill", "-STOP", str(before))
    place.machine.wait_until(lambda: place.pid() not in {0, before} and place.is_active(), "the watchdog")
    assert "Watchdog timeout" in place.machine.journal()
    (place.machine.root / f"etc/systemd/system/{SERVICE}.d/test.conf").unlink()
    place.machine.run("systemctl", "daemon-reload")
    place.machine.run("systemctl", "restart", SERVICE)


def test_stopped_in_mid_order_it_goes_on_with_it(place: Place) -> None:
    """systemctl stop while an order is open; the next start finishes it: one certificate is bought."""
    machine = place.machine
    before, orders, issued = place.served(), place.orders(), place.pebble.log().count("Issued certificate serial")
    # Asked for without waiting: `certd renew` would go on with the order itself.
    machine.run("/opt/certd/bin/python", "-c", FORCE)
    machine.wait_until(lambda: place.orders() == orders + 1, "the order")
    machine.run("systemctl", "stop", SERVICE)
    assert place.served() == before
    machine.run("systemctl", "start", SERVICE)
    machine.wait_until(lambda: place.served() not in {"", before}, "the new one")
    assert place.orders() == orders + 1
    assert place.pebble.log().count("Issued certificate serial") == issued + 1


def test_a_restart_under_a_renewal_by_hand_waits_for_it(place: Place) -> None:
    """The command goes on by itself when the daemon ends; the service comes up when it has ended, and does not fail."""
    machine = place.machine
    before, orders = place.served(), place.orders()
    machine.run("sh", "-c", f"certd renew {DOMAIN} --force >/root/renewed 2>&1 &")
    machine.wait_until(lambda: place.orders() == orders + 1, "the order")
    machine.run("systemctl", "restart", SERVICE)
    assert place.is_active()
    machine.wait_until(lambda: "served until" in machine.run("cat", "/root/renewed"), "the command")
    assert place.served() not in {"", before}
    assert place.foreign_files() == []


def test_what_root_does_by_hand_leaves_nothing_that_the_service_cannot_write(place: Place) -> None:
    """``sudo certd once`` and its like become certd first."""
    machine = place.machine
    machine.run("systemctl", "stop", SERVICE)
    before = place.served()
    machine.run("certd", "once", "--wait", "60s")
    machine.run("certd", "renew", DOMAIN, "--force")
    assert place.served() not in {"", before}
    machine.tried("certd", "plan")
    machine.tried("certd", "history")
    assert place.foreign_files() == []
    machine.run("systemctl", "start", SERVICE)
    assert place.is_active()


def test_by_polkit_instead_of_the_helper(place: Place) -> None:
    """The rule lets certd reload that one unit: not restart it, and not reload another."""
    machine = place.machine
    machine.run("systemctl", "disable", "--now", "certd-reload@nginx.path")
    for path in ("var/lib/certd/reload/nginx", "var/lib/certd-reload/nginx.result"):
        (machine.root / path).unlink()
    machine.run("runuser", "-u", "certd", "--", "systemctl", "--no-ask-password", "reload", "nginx.service", code=1)
    place.install("--polkit", "nginx.service")
    machine.wait_until(
        lambda: (
            machine.tried(
                "runuser", "-u", "certd", "--", "systemctl", "--no-ask-password", "reload", "nginx.service"
            ).returncode
            == 0
        ),
        "polkit reads its rules",
    )
    assert machine.tried(
        "runuser", "-u", "certd", "--", "systemctl", "--no-ask-password", "restart", "nginx"
    ).returncode
    assert machine.tried("runuser", "-u", "certd", "--", "systemctl", "--no-ask-password", "reload", "dbus").returncode
    # As the warning of install-service says.
    machine.run("rm", "-r", "/var/lib/certd-reload/nginx")
    place.replace_site()
    before = place.served()
    machine.run("certd", "renew", DOMAIN, "--force")
    assert place.served() not in {"", before}
    place.install("--reload", "nginx")
    place.replace_site()


def test_a_reboot_orders_nothing(place: Place) -> None:
    """After a restart of the machine nginx serves at once, and certd is there."""
    before, orders = place.served(), place.orders()
    place.machine.reboot()
    place.machine.wait_until(place.is_active, "certd")
    place.machine.wait_until(lambda: place.served() == before, "nginx")
    assert place.orders() == orders


def test_installing_twice_changes_nothing(place: Place) -> None:
    """And an upgrade is installing again."""
    assert "everything was in place already" in place.install("--reload", "nginx", "--polkit", "nginx.service")


def test_going_back_is_refused_with_the_way_back(place: Place) -> None:
    """A store that a newer certd wrote: this one does not start on it, and says what to do."""
    machine = place.machine
    machine.run("systemctl", "stop", SERVICE)
    place.write("root/move.py", MOVE)
    machine.run("python3", "/root/move.py", "1")
    done = machine.tried("certd", "once")
    assert done.returncode == 1
    assert "install the newer certd again, or put back the copy" in done.stderr
    machine.run("python3", "/root/move.py", "-1")
    machine.run("systemctl", "start", SERVICE)
    assert place.is_active()


def test_uninstalling_leaves_the_state(place: Place) -> None:
    """Nothing of certd's runs or starts; nginx goes on serving; installed again it orders nothing."""
    machine, before, orders = place.machine, place.served(), place.orders()
    place.install("--uninstall")
    assert machine.tried("systemctl", "cat", SERVICE).returncode != 0
    assert not [path for path in (machine.root / "etc/systemd/system").rglob("certd*") if path.suffix != ".d"]
    assert place.served() == before
    assert machine.run("ls", "/var/lib/certd/private/certd.db")
    place.install("--reload", "nginx", "--dns", "192.0.2.53", "--dns", "2001:db8::53")
    machine.run("systemctl", "enable", "--now", SERVICE)
    machine.wait_until(place.is_active, "certd")
    time.sleep(2)
    assert place.orders() == orders


def test_on_a_network_with_nothing_but_ipv6(place: Place) -> None:
    """No IPv4 address is left, not even on loopback: the sandbox resolves, orders, answers and looks by IPv6."""
    machine, before = place.machine, place.served()
    pebble = Pebble(place.pebble.folder / "six", dns="[2001:db8::53]:53", host="::1")
    for address in ("127.0.0.1/8", "192.0.2.53/32"):
        subprocess.run(["ip", "address", "delete", address, "dev", "lo"], check=True)
    (machine.root / "etc/hosts").write_text("::1 localhost\n")
    place.install("--dns", "2001:db8::53")
    text = place.config.replace(place.pebble.directory, pebble.directory).replace("/srv/pebble/", "/srv/pebble/six/")
    for four in ('"192.0.2.53:53", ', '"192.0.2.53", ', '"127.0.0.1:443", '):
        text = text.replace(four, "")
    place.write_config(text.replace('["192.0.2.53"]', '["2001:db8::53"]'))
    try:
        pebble.start()
        machine.run("systemctl", "restart", SERVICE)
        machine.run("certd", "renew", DOMAIN, "--force")
        context = ssl.create_default_context(cadata=pebble.roots.read_text())
        with (
            socket.create_connection(("::1", 443), timeout=5) as connection,
            context.wrap_socket(connection, server_hostname=DOMAIN) as tls,
        ):
            assert hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest() != before
        assert pebble.log().count("Issued certificate serial") == 1
    finally:
        pebble.stop()
        subprocess.run(["ip", "address", "add", "127.0.0.1/8", "dev", "lo"], check=True)
        subprocess.run(["ip", "address", "add", "192.0.2.53/32", "dev", "lo"], check=True)

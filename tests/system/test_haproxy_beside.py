"""certd and HAProxy in two containers that share a folder of published files and one with HAProxy's runtime socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.process import answers
from tests.system.podman import BASE
from tests.system.test_containers import DOMAIN, USER, Pod, pod_with

GLOBAL = "global\n    stats socket /shared/admin.sock mode 660 level admin\n    maxconn 500\n"


def asked(path: Path, command: str) -> str:
    """HAProxy's answer on its socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(f"{command}\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


@pytest.fixture
def pod(short_path: Path) -> Iterator[Pod]:
    """With HAProxy in the place of nginx."""
    with pod_with(short_path, proxy="haproxy", reload="haproxy:/shared/admin.sock") as made:
        yield made


def test_a_renewal_by_the_runtime_socket(pod: Pod) -> None:
    """No shared PID namespace, no signal, no master that could reload: the one process that was started serves the new
    certificate, seen by handshake.
    """
    (pod.folder / "shared" / "haproxy.cfg").write_text(GLOBAL + pod.once("proxy-config", DOMAIN))
    pod.nginx.run(
        BASE,
        "haproxy",
        "-db",
        "-f",
        "/shared/haproxy.cfg",
        options=("--user", f"{USER}:{USER}"),
        volumes={f"{pod.folder}/public": "/certs:ro", f"{pod.folder}/shared": "/shared"},
    )
    pod.nginx.wait_until(lambda: answers("127.0.0.1", 8443), "HAProxy")
    pod.start_certd()
    pod.certd.wait_until(lambda: bool(pod.served()), "the first certificate")
    before = pod.served()
    pod.certd.exec("certd", "renew", DOMAIN, "--force")
    assert pod.served() not in {"", before}
    assert pod.issued() == 2
    pids = pod.nginx.exec("sh", "-c", "cat /proc/[0-9]*/comm").split().count("haproxy")
    assert pids == 1
    shown = asked(pod.folder / "shared" / "admin.sock", f"show ssl cert /certs/proxies/haproxy/{DOMAIN}.pem")
    assert "Status: Used" in shown

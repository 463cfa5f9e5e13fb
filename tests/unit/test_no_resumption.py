"""A resumed session shows the replaced certificate (HAProxy after ``commit``, ``nginx-variable``): no proof resumes."""

from __future__ import annotations

import socket
import ssl

from certd.probes.endpoints import TlsProber
from certd.probes.inspection import inspect
from certd.probes.tls_context import Anchors
from certd.system.clock import SystemClock
from tests.lab.certificates import make_ca, make_leaf
from tests.lab.tls_server import TlsServer

NAME = "link.example.test"


def test_no_look_of_certds_resumes_a_session() -> None:
    """Ten looks by each way; a client that resumes is counted, so the count can show it."""
    ca = make_ca("Root")
    with TlsServer((make_leaf(ca, NAME), ())) as server:

        def hits() -> int:
            return server.context.session_stats()["hits"]

        prober = TlsProber(SystemClock(), lambda issuer: Anchors(pem=ca.pem))
        for _ in range(10):
            (seen,) = prober.look([f"127.0.0.1:{server.port}"], NAME)
            assert seen.fingerprint
            assert not inspect(("127.0.0.1", server.port), NAME, most=ssl.TLSVersion.TLSv1_2).trouble
        assert hits() == 0

        client = ssl.create_default_context(cadata=ca.pem)
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        session = None
        for _ in range(2):
            with (
                socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection,
                client.wrap_socket(connection, server_hostname=NAME, session=session) as tls,
            ):
                tls.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
                tls.recv(1000)
                session = tls.session
        assert hits() == 1

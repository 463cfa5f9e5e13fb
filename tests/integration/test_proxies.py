"""Every kind of proxy, for real: it starts before the first certificate, forwards clicks, and gets new certificates."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.clicker import Clicker, click, plain_click
from tests.lab.fronts import Apache, Caddy, Envoy, Front, Haproxy, Traefik
from tests.lab.scene import DOMAIN, Scene
from tests.lab.webapps import NodeApp, PythonApp

Wait = Callable[..., None]


@dataclass(frozen=True)
class Kind:
    """One way to run a proxy."""

    front: type[Front] | None = None
    kind: str = "nginx"
    by_api: bool = True
    component: str = "nginx"


KINDS = {
    "nginx": Kind(),
    "nginx-variable": Kind(kind="nginx-variable"),
    "haproxy by its API": Kind(Haproxy, component="haproxy"),
    "haproxy by reload": Kind(Haproxy, by_api=False, component="haproxy"),
    "caddy on a socket": Kind(Caddy, component="caddy"),
    "caddy on TCP": Kind(Caddy, by_api=False, component="caddy"),
    "apache": Kind(Apache, component="apache2"),
    "traefik": Kind(Traefik, component="traefik"),
    "envoy": Kind(Envoy, component="envoy"),
    "python by a signal": Kind(PythonApp, component="pebble"),
    "python that watches": Kind(PythonApp, by_api=False, component="pebble"),
    "node by a signal": Kind(NodeApp, component="node"),
    "node that watches": Kind(NodeApp, by_api=False, component="node"),
}
# Those that look for themselves, or have no configuration that a stranger could break.
SELF_WILLED = {"nginx-variable", "traefik", "envoy", *(name for name in KINDS if name.startswith(("python", "node")))}
PARAMS = [pytest.param(name, marks=pytest.mark.lab("pebble", kind.component)) for name, kind in KINDS.items()]
RELOADED = [param for param in PARAMS if param.values[0] not in SELF_WILLED]


@pytest.fixture
def scene(request: pytest.FixtureRequest, short_path: Path) -> Iterator[Scene]:
    kind = KINDS[request.param]
    with Scene(short_path, front=kind.front, kind=kind.kind, by_api=kind.by_api) as made:
        yield made
        print(made.certd_log())
        print(made.edge.output() if made.edge else made.nginx.errors())


def start(scene: Scene) -> None:
    """Start the proxy."""
    if scene.edge is not None:
        scene.edge.start()
    else:
        scene.nginx.start()


@pytest.mark.parametrize("scene", PARAMS, indirect=True)
def test_from_the_placeholder_to_the_second_certificate(scene: Scene) -> None:
    """It starts with the placeholder and forwards http; then two certificates are served, and no click fails."""
    start(scene)
    assert plain_click(scene.plain, DOMAIN).trouble == ""
    assert "served until" in scene.run("once")
    first = click(scene.tls, DOMAIN, scene.roots)
    assert first.trouble == ""
    with Clicker(scene.tls, DOMAIN, scene.roots) as clicker:
        scene.run("renew", DOMAIN, "--force", "--yes")
    second = click(scene.tls, DOMAIN, scene.roots)
    assert second.trouble == ""
    assert second.fingerprint not in {"", first.fingerprint}
    assert clicker.troubles == []
    assert clicker.good > 10


@pytest.mark.parametrize("scene", RELOADED, indirect=True)
def test_a_strangers_reload_changes_nothing(scene: Scene, eventually: Wait) -> None:
    """What is on the disk is what is served: whoever reloads or restarts the proxy brings back nothing old."""
    start(scene)
    scene.run("once")
    scene.run("renew", DOMAIN, "--force", "--yes")
    served = click(scene.tls, DOMAIN, scene.roots).fingerprint
    if scene.edge is None:
        scene.nginx.reload()
    else:
        scene.edge.stranger_reloads()
        eventually(lambda: click(scene.tls, DOMAIN, scene.roots).fingerprint == served)
        scene.edge.stop()
        scene.edge.start()
    assert click(scene.tls, DOMAIN, scene.roots).fingerprint == served


PATHS = (
    "/ls/click?upn=a%2Bb~~c%2F%2f&x=%41",
    "/f/a/Hc%2Fv1//nw~~/A%41%3D+b%20c/?target=http%3A%2F%2Fshop.example.test%2F",
    "/uni/ls/click?upn=" + "x" * 3000,
)


def raw(port: int, text: str, context: ssl.SSLContext) -> bytes:
    """One request as it is, and all of the answer."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as connection,
        context.wrap_socket(connection, server_hostname=DOMAIN) as tls,
    ):
        tls.sendall(text.encode())
        answer = bytearray()
        while chunk := tls.recv(65536):
            answer += chunk
        return bytes(answer)


@pytest.mark.parametrize("scene", PARAMS, indirect=True)
def test_clicks_pass_byte_for_byte(scene: Scene) -> None:
    """Path, query, Host, body and method reach the e-mail service as the client sent them; its redirect comes back."""
    start(scene)
    scene.run("once")
    context = ssl.create_default_context(cadata=scene.roots)
    for path in PATHS:
        answer = raw(scene.tls, f"GET {path} HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n", context)
        assert answer.startswith(b"HTTP/1.1 302"), answer[:200]
        assert scene.esp.seen[-1].path == path
        assert scene.esp.seen[-1].host == DOMAIN
    head = raw(scene.tls, f"HEAD /open?x HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n", context)
    assert head.startswith(b"HTTP/1.1 302")
    assert scene.esp.seen[-1].method == "HEAD"
    body = "event=unsubscribe"
    post = f"POST /wf/unsub?u=1 HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    assert raw(scene.tls, post + body, context).startswith(b"HTTP/1.1 302")
    assert scene.esp.seen[-1].method == "POST"
    assert scene.esp.seen[-1].body == body.encode()
    cookie = "c=" + "y" * 6000
    big = f"GET /big HTTP/1.1\r\nHost: {DOMAIN}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    assert raw(scene.tls, big, context).startswith(b"HTTP/1.1 302")


# ------------------------------------------------------------------------------------ faults


@pytest.mark.parametrize("scene", RELOADED, indirect=True)
def test_a_configuration_that_a_stranger_broke(scene: Scene, eventually: Wait) -> None:
    """The proxy's own words reach the operator, what worked goes on working, and it heals when the fault goes."""
    start(scene)
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    before = click(scene.tls, DOMAIN, scene.roots).fingerprint
    main = scene.edge.main if scene.edge else scene.nginx.folder / "nginx.conf"
    good = main.read_text()
    main.write_text(good + "\nnonsense_of_a_stranger on;\n")
    with Clicker(scene.tls, DOMAIN, scene.roots) as clicker:
        asked = scene.tried("renew", DOMAIN, "--force", "--yes")
        is_by_api = isinstance(scene.edge, Haproxy) and scene.edge.by_api
        assert asked.returncode == (1 if not is_by_api else asked.returncode)
        if asked.returncode == 1:
            # Caddy takes an unknown word for the name of a site.
            words = "refuses the configuration" if isinstance(scene.edge, Caddy) else "nonsense_of_a_stranger"
            assert words in asked.stderr
            assert click(scene.tls, DOMAIN, scene.roots).fingerprint == before
        main.write_text(good)
        eventually(lambda: click(scene.tls, DOMAIN, scene.roots).fingerprint not in {"", before})
    assert clicker.troubles == []


@pytest.mark.parametrize("scene", RELOADED, indirect=True)
def test_a_reload_that_does_nothing(scene: Scene, eventually: Wait) -> None:
    """Exit code 0 is not proof: clients get the old certificate, and that is said."""
    start(scene)
    scene.run("once")
    lines = scene.config.read_text().splitlines(keepends=True)
    good = "".join(lines)
    scene.config.write_text("".join('reload = ["true"]\n' if line.startswith("reload =") else line for line in lines))
    asked = scene.tried("renew", DOMAIN, "--force", "--yes")
    assert asked.returncode == 1
    assert f"127.0.0.1:{scene.tls} serves" in asked.stderr
    scene.config.write_text(good)
    eventually(lambda: scene.tried("once").returncode == 0)
    assert click(scene.tls, DOMAIN, scene.roots).trouble == ""


@pytest.mark.parametrize("scene", RELOADED, indirect=True)
def test_a_proxy_that_does_not_run(scene: Scene, eventually: Wait) -> None:
    """Said with the address; when it is started it serves what lies on the disk."""
    asked = scene.tried("once")
    assert asked.returncode in {1, 3}
    assert "cannot be seen" in asked.stderr or "the reload failed" in asked.stderr or "refused" in asked.stderr
    start(scene)
    eventually(lambda: scene.tried("once").returncode == 0)
    assert click(scene.tls, DOMAIN, scene.roots).trouble == ""

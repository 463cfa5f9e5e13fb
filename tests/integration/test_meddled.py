"""A real Pebble behind a proxy that bends its answers: one certificate is bought, whatever comes in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.test_fallback import Wait
from tests.lab.clicker import click
from tests.lab.meddler import Bend, Meddler, Reply
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "nginx")


def problem(status: int, kind: str, detail: str, **headers: str) -> Reply:
    """A problem document."""
    body = json.dumps({"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail}).encode()
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status, (("Content-Type", "application/problem+json"), *named), body)


def first(kinds: dict[str, Callable[[Callable[[], Reply]], Reply]], times: int = 1) -> Bend:
    """Bend the first answers of these kinds."""

    def bend(kind: str, count: int, real: Callable[[], Reply]) -> Reply:
        return kinds[kind](real) if kind in kinds and count <= times else real()

    return bend


def lost(real: Callable[[], Reply]) -> Reply:
    """The request arrives, the answer does not."""
    real()
    return Reply(502, (("Content-Type", "text/html"),), b"<html>bad gateway</html>")


def backwards(real: Callable[[], Reply]) -> Reply:
    """A replica that lags: the order is as it was before."""
    reply = real()
    body = json.loads(reply.body)
    if "status" in body:
        body["status"] = "processing" if body["status"] == "valid" else "pending"
        body.pop("certificate", None)
    return replace(reply, body=json.dumps(body).encode())


MEDDLED: dict[str, Bend] = {
    "busy at newOrder": first({"order-plz": lambda real: problem(503, "serverInternal", "busy", Retry_After="1")}, 2),
    "a 404 right after creation": first(
        {kind: lambda real: problem(404, "malformed", "not found") for kind in ("my-order", "certZ")}, 2
    ),
    "an order that goes backwards": first({"my-order": backwards}, 3),
    "the answer to finalize is lost": first({"finalize-order": lost}),
    "the answer to the challenge is lost": first({"chalZ": lost}),
    "too fast": first({"my-order": lambda real: problem(429, "rateLimited", "slow down", Retry_After="1")}, 2),
}


@pytest.mark.parametrize("name", MEDDLED)
@pytest.mark.timeout(180)
def test_one_certificate_is_bought(name: str, short_path: Path, eventually: Wait) -> None:
    """The daemon ends served, with one certificate signed and no validation failed."""
    scene = Scene(short_path / "scene", nonce_reject=0)
    scene.prepare()
    try:
        with Meddler(scene.pebble, short_path / "meddler", MEDDLED[name]) as meddler:
            text = scene.config.read_text().replace(scene.pebble.directory, meddler.directory)
            scene.config.write_text(text.replace(str(scene.pebble.ca_file), str(meddler.ca_file)))
            scene.nginx.start()
            scene.start_certd()
            eventually(lambda: "served  link=" in scene.certd_log(), 120)
            assert click(scene.tls, DOMAIN, scene.roots).trouble == ""
            assert scene.pebble.log().count("Issued certificate serial") == 1
            assert meddler.asked["order-plz"] >= 1
    finally:
        scene.__exit__(None, None, None)

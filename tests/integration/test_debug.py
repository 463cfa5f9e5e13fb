"""The log at debug level: the whole conversation with the CA, and nobody's secret."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import pytest

from certd.acme.trace import redacted_body
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.state import stores_of
from tests.lab.process import Process
from tests.lab.scene import DOMAIN, ROOT, Scene


def private_numbers(pem: str) -> list[str]:
    """What a private key is made of, as PEM lines, as numbers and as JWK members."""
    lines = [line for line in pem.splitlines() if line and not line.startswith("-----")]
    raw = base64.b64decode("".join(lines))
    return [*lines, raw.hex()]


@pytest.mark.lab("pebble", "nginx")
def test_debug_shows_the_conversation_and_no_secret(scene: Scene, eventually: Callable[..., None]) -> None:
    """Every request of an issuance is there with its answer; no key, no token, no signature, no key authorization."""
    scene.nginx.start()
    command = scene.command("run")
    command.insert(command.index("--config"), "--debug")
    scene.certd = Process(command, log=scene.folder / "certd.log", env=scene.environment, cwd=ROOT).start()
    eventually(lambda: "served  link=" in scene.certd_log(), 90)
    scene.stop_certd()
    log = scene.certd_log()
    for words in ("method=POST", "identifiers", "authorizations", "finalize", "status=201", '"status": "valid"'):
        assert words.replace('"', "") in log.replace("\\", "").replace('"', ""), words
    assert "application/pem-certificate-chain" in log
    stores = stores_of(load(scene.config, known_choices()))
    try:
        current = stores.lineages.facts(DOMAIN).current
        account = stores.accounts.get(scene.pebble.directory)
        assert current is not None
        assert account is not None
        secrets = private_numbers(current.key.reveal()) + private_numbers(account.key.reveal())
        values = [cleanup.value for cleanup in stores.lineages.facts(DOMAIN).cleanups]
    finally:
        stores.close()
    seal = (scene.state / "private" / "seal.key").read_text().strip()
    assert values
    for secret in [*secrets, *values, seal]:
        assert secret not in log
    for word in ("PRIVATE KEY", "BEGIN CERTIFICATE", "signature", "eyJ", "Replay-Nonce"):
        assert word not in log
    tokens = set(re.findall(r"token.{0,10}?([A-Za-z0-9_-]{20,})", log))
    assert tokens == set()


SAID = {
    "a challenge": (
        b'{"type": "dns-01", "status": "pending", "token": "abc", "url": "u"}',
        '{"type": "dns-01", "status": "pending", "token": "***", "url": "u"}',
    ),
    "a binding": (
        b'{"termsOfServiceAgreed": true, "contact": ["a@b"], "externalAccountBinding": {"a": "x"}}',
        '{"termsOfServiceAgreed": true, "contact": "***", "externalAccountBinding": "***"}',
    ),
    "a CSR": (b'{"csr": "MIIB"}', '{"csr": "***"}'),
    "what nobody knows": (b'{"shiny": {"secret": "x"}}', '{"shiny": "***"}'),
    "profiles": (b'{"meta": {"profiles": {"classic": "usual"}}}', '{"meta": {"profiles": {"classic": "usual"}}}'),
    "a certificate": (b"-----BEGIN CERTIFICATE-----\\n", "29 bytes of application/pem-certificate-chain"),
    "nothing": (b"", ""),
}


@pytest.mark.parametrize("case", SAID)
def test_what_is_said_of_a_body(case: str) -> None:
    """Members that are known to be harmless keep their values."""
    body, words = SAID[case]
    assert redacted_body(body, "application/pem-certificate-chain") == words

"""What a CA, a name server or a proxy says reaches terminals, mails and pages: it steers none of them."""

from __future__ import annotations

import json
import sys
from datetime import timedelta

import pytest

from certd.acme.messages import parse_problem
from certd.cli.output import complain, warn
from certd.errors import AcmeProblem, CertdError, DnsRefused, TargetError, displayable
from certd.system.command import run
from certd.system.egress import Response

EVIL = "x\x1b]0;owned\x07 \x9b2J y"


def steers(text: str) -> bool:
    return any(not letter.isprintable() and letter not in "\n\t" for letter in text)


def test_the_judge() -> None:
    """It sees an escape and a one-byte control sequence; lines and letters of every language stay."""
    assert steers(EVIL)
    kept = "two\nlines\tand Grüße 例え"
    assert displayable(kept) == kept
    assert not steers(displayable(EVIL))


@pytest.mark.parametrize("kind", [CertdError, DnsRefused, TargetError])
def test_no_error_steers_a_terminal(kind: type[CertdError], capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever raises it, and whatever it quotes; hints as well."""
    error = kind(f"the server says {EVIL}", hint=f"ask {EVIL}")
    assert not steers(str(error) + error.hint)
    complain(error)
    warn(str(error))
    said = capsys.readouterr().err
    assert "the server says x" in said
    assert not steers(said)


def test_a_cas_problem_document() -> None:
    """Its detail, its type and its subproblems, also where they are kept for later."""
    body = {
        "type": f"urn:ietf:params:acme:error:caa{EVIL}",
        "detail": EVIL,
        "subproblems": [{"type": "dns", "detail": EVIL, "identifier": {"value": EVIL}}],
    }
    problem = parse_problem(Response(status=403, headers={}, body=json.dumps(body).encode()))
    assert isinstance(problem, AcmeProblem)
    told = [
        problem.type,
        problem.detail,
        str(problem),
        *(f"{sub.identifier}{sub.detail}" for sub in problem.subproblems),
    ]
    assert [text for text in told if steers(text)] == []


def test_a_proxys_own_words() -> None:
    """What a check or a reload prints."""
    done = run((sys.executable, "-c", f"print({EVIL!r})"), deadline=timedelta(seconds=30))
    assert done.output.startswith("x")
    assert not steers(done.output)

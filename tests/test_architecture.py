"""The house stays in order: style, types, the direction of imports, no file too long, no address of a machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.population import Population

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

COMMANDS = {
    "style": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "imports": ["lint-imports"],
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", COMMANDS)
def test_house_rules(name: str) -> None:
    """ruff, mypy --strict and import-linter find nothing."""
    program, *arguments = COMMANDS[name]
    done = subprocess.run([str(BIN / program), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr


def test_requirements_name_no_addresses() -> None:
    """Pinned by version and hash; where they come from is the machine's business."""
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text, path
        assert text.count("==") <= text.count("--hash="), path


# What would be noticed if it came in: some MiB each with what it brings (docs/performance.md has the sum).
NOT_IDLE = (
    "acme",
    "josepy",
    "requests",
    "urllib3",
    "charset_normalizer",
    "rich",
    "prometheus_client",
    "http.server",
    "xml",
    "psycopg",
    "botocore",
    "lexicon",
    "apprise",
    "smtplib",
    "unittest",
)
# To tell how things stand takes the configuration and the store.
NOT_FOR_STATUS = (
    *NOT_IDLE,
    "dns",
    "cryptography.x509",
    "ssl",
    "http",
    "logging",
    "subprocess",
    "apscheduler",
    "asyncio",
    "certd.app",
    "certd.wiring",
    "certd.engine",
    "certd.ports",
    "certd.pki",
    "certd.probes",
)
NOT_FOR_HELP = (*NOT_IDLE, "pydantic", "cryptography", "ssl", "dns", "sqlite3", "apscheduler", "asyncio")


@pytest.mark.parametrize(
    ("what", "code", "unwanted"),
    [
        ("an idle daemon", "import certd.cli.entry, certd.cli.run", NOT_IDLE),
        (
            "one that orders",
            "import certd.cli.run; from certd.system.lean_requests import import_requests; import_requests(); "
            "import certd.system.egress, certd.acme.account, certd.acme.session, certd.acme.issuer",
            ("charset_normalizer", "chardet", "acme.client"),
        ),
        (
            "every provider's options",
            "from certd.dns.registry import PROVIDERS; assert all(PROVIDERS.values())",
            ("dns", "requests", "botocore", "lexicon"),
        ),
        (
            "every kind of proxy",
            "from certd.targets.registry import KINDS; assert all(KINDS.values())",
            NOT_FOR_STATUS,
        ),
        (
            "certd --help",
            "from certd.cli.entry import group; group.main(['--help'], prog_name='certd', standalone_mode=False)",
            NOT_FOR_HELP,
        ),
    ],
)
def test_nothing_is_loaded_that_is_not_needed_yet(what: str, code: str, unwanted: tuple[str, ...]) -> None:
    """The ACME stack and its HTTP client come with the first order, a provider's module with the configuration that
    names it.
    """
    assert loaded_by(code, unwanted) == [], what


@pytest.mark.parametrize("command", ["status", "plan", "history"])
def test_telling_how_things_stand_loads_no_adapter(command: str, tmp_path: Path) -> None:
    """Configuration and store are enough, whatever the state of the links: a monitoring system asks each minute."""
    Population(tmp_path).close()
    arguments = ["--config", str(tmp_path / "certd.toml"), command]
    code = f"from certd.cli.entry import group; group.main({arguments!r}, standalone_mode=False, obj={{}})"
    assert loaded_by(code, NOT_FOR_STATUS) == []


def loaded_by(code: str, unwanted: tuple[str, ...]) -> list[str]:
    """Which of these modules a process has in memory after running this."""
    code += f"; import sys; print(file=sys.stderr, *[name for name in {unwanted!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stderr.split()

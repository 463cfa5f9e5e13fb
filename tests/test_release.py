"""What a release consists of: two builds are equal bit by bit, and hold what an installation needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def build(folder: Path, when: str) -> dict[str, Path]:
    """Wheel and sdist, as ``.ci/release`` builds them."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, "SOURCE_DATE_EPOCH": when},
        check=True,
        capture_output=True,
        timeout=120,
    )
    return {path.suffix: path for path in folder.iterdir()}


def test_two_builds_are_one(tmp_path: Path) -> None:
    """With the same time; with another one they differ, so the comparison can fail."""
    first, second = build(tmp_path / "a", "1790000000"), build(tmp_path / "b", "1790000000")
    assert set(first) == {".whl", ".gz"}
    for kind, path in first.items():
        assert path.read_bytes() == second[kind].read_bytes(), kind
    later = build(tmp_path / "c", "1790086400")
    assert later[".whl"].read_bytes() != first[".whl"].read_bytes()

    with zipfile.ZipFile(first[".whl"]) as wheel:
        names = set(wheel.namelist())
    for wanted in ("systemd/certd.service", "systemd/certd-reload@.service", "config/certd.toml"):
        assert f"certd/share/{wanted}" in names, wanted
    assert {"certd/dns/public_suffix_list.dat", "certd/web/style.css", "certd/py.typed"} <= names
    assert not [name for name in names if name.startswith("tests/") or "/.lab/" in name]
    with tarfile.open(first[".gz"]) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"README.md", "CHANGELOG.md", "LICENSE", "docs/install.md", "Containerfile"} <= inside
    assert not [name for name in inside if name.startswith((".lab", ".venv", "dist"))]


EXTRAS = ("postgres", "route53", "lexicon", "acm", "apprise")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    """Package -> version, as a file of requirements pins them."""
    return dict(PIN.findall((ROOT / "requirements" / f"{name}.txt").read_text()))


def test_every_extra_is_pinned_as_it_is_tested() -> None:
    """What users install is what the suite ran with; the constraints are all of it."""
    tested = pins("dev")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) == {*EXTRAS, "dev"}
    everything = pins("runtime")
    for extra in EXTRAS:
        pinned = pins(extra)
        text = (ROOT / "requirements" / f"{extra}.txt").read_text()
        assert text.count("--hash=sha256:") > len(pinned), extra
        assert pins("runtime").items() <= pinned.items(), extra
        for wanted in project["optional-dependencies"][extra]:
            assert re.split(r"[\[><=]", wanted)[0] in pinned, wanted
        everything |= pinned
    assert dict(PIN.findall((ROOT / "constraints.txt").read_text())) == everything
    assert everything.items() <= tested.items()

"""``certd install-service``, into the root of an image."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from certd.cli.install_service import MARK, Wanted, files, install, installed_config, judge, remove
from certd.errors import UsageError

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes users and gives folders away"),
    pytest.mark.lab("systemd-analyze"),
]


@pytest.fixture
def wanted(short_path: Path) -> Wanted:
    """An empty system with a program in it, and everything that can be asked for."""
    for folder in ("etc", "opt/certd/bin", "var/lib", "usr/local/bin"):
        (short_path / folder).mkdir(parents=True)
    (short_path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (short_path / "etc/group").write_text("root:x:0:\n")
    return Wanted(
        root=short_path,
        prefix=Path("/opt/other"),
        reload=("nginx",),
        polkit=("nginx.service",),
        dns=("192.0.2.10", "2001:db8::10"),
    )


def modes(root: Path) -> dict[str, str]:
    """Mode of each folder that certd uses."""
    return {
        name: f"{(root / name).stat().st_mode & 0o7777:o}"
        for name in ("etc/certd", "var/lib/certd/private", "var/lib/certd/public", "var/lib/certd/reload")
    }


def test_it_makes_everything_and_twice_is_once(wanted: Wanted, capsys: pytest.CaptureFixture[str]) -> None:
    """User, groups, folders, units for the given prefix; the second time changes nothing."""
    install(wanted)
    root = wanted.root
    service = (root / "etc/systemd/system/certd.service").read_text()
    assert "ExecStart=/opt/other/bin/certd run" in service
    socket = (root / "etc/systemd/system/certd-dns.socket").read_text()
    assert socket.count("Listen") == 4
    assert "ListenStream=[2001:db8::10]:53" in socket
    assert "certd" in (root / "etc/passwd").read_text()
    assert {"certd", "certd-read"} <= {line.partition(":")[0] for line in (root / "etc/group").read_text().splitlines()}
    assert modes(root) == {
        "etc/certd": "750",
        "var/lib/certd/private": "700",
        "var/lib/certd/public": "2750",
        "var/lib/certd/reload": "770",
    }
    assert (root / "var/lib/certd/reload/nginx").exists()
    copies = root / "var/lib/certd-reload/nginx"
    assert (copies.stat().st_uid, copies.stat().st_mode & 0o7777) == (0, 0o755)
    assert (copies.parent.stat().st_uid, copies.parent.stat().st_mode & 0o7777) == (0, 0o755)
    assert os.readlink(root / "usr/local/bin/certd") == "/opt/other/bin/certd"
    # That is `certd init`'s to write, which never overwrites one.
    config = root / "etc/certd/certd.toml"
    assert not config.exists()
    config.write_text("mine")
    capsys.readouterr()
    install(wanted)
    assert "everything was in place already" in capsys.readouterr().out
    assert config.read_text() == "mine"


def test_only_who_includes_a_copy_gets_a_folder_for_copies(wanted: Wanted, capsys: pytest.CaptureFixture[str]) -> None:
    """HAProxy loads no directives; a proxy of another name may be an nginx. What to include is said."""
    install(replace(wanted, reload=("nginx", "haproxy", "edge")))
    found = sorted(path.name for path in (wanted.root / "var/lib/certd-reload").iterdir())
    assert found == ["edge", "nginx"]
    said = capsys.readouterr().out
    assert "nginx's site includes /var/lib/certd-reload/nginx/LINK.conf" in said
    assert "/var/lib/certd/public/proxies/nginx/ goes on working" in said
    (wanted.root / "var/lib/certd-reload/nginx/link.example.com.conf").write_text("included")
    remove(wanted)
    assert "get no new certificate from now on" in capsys.readouterr().err
    assert (wanted.root / "var/lib/certd-reload/nginx/link.example.com.conf").exists()


def test_going_from_the_helper_to_polkit_names_the_copies(wanted: Wanted, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the helper nobody updates root's copies, and a site that includes one gets no new certificate."""
    copy = wanted.path("var/lib/certd-reload/nginx/link.example.com.conf")
    words = "nobody updates the files below /var/lib/certd-reload"
    by_polkit = replace(wanted, reload=())
    install(by_polkit)
    assert words not in capsys.readouterr().err
    copy.parent.mkdir(parents=True)
    copy.touch()
    install(wanted)
    assert words not in capsys.readouterr().err
    install(by_polkit)
    assert words in capsys.readouterr().err


def test_uninstalling_removes_what_is_ours_and_nothing_else(wanted: Wanted) -> None:
    """State, configuration, user and what the operator wrote stay."""
    install(wanted)
    root = wanted.root
    (root / "var/lib/certd/private/certd.db").write_text("precious")
    drop_in = root / "etc/systemd/system/certd.service.d/override.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\n")
    own = root / "etc/systemd/system/certd-backup.service"
    own.write_text("[Service]\n")
    remove(wanted)
    left = [str(path) for path in root.rglob("*") if path.is_file() and not path.is_symlink() and MARK in _text(path)]
    assert left == []
    assert drop_in.exists()
    assert own.exists()
    assert (root / "var/lib/certd/private/certd.db").read_text() == "precious"
    assert (root / "etc/certd").is_dir()
    assert not (root / "usr/local/bin/certd").is_symlink()


def _text(path: Path) -> str:
    return path.read_text(errors="replace")


def test_somebody_elses_unit_is_not_overwritten(wanted: Wanted) -> None:
    """It is named, and left."""
    unit = wanted.root / "etc/systemd/system/certd.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    with pytest.raises(UsageError, match=r"certd\.service: is there and not certd's"):
        install(wanted)
    assert "/bin/true" in unit.read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reload": ("../nginx",)}, "is no proxy's name"),
        ({"polkit": ('nginx.service" || true || "',)}, "is no unit"),
        ({"dns": ("0.0.0.0",)}, "is no address of this machine"),
        ({"dns": ("ns1.example.com",)}, "is no address of this machine"),
        ({"config": Path("/etc/certd/a.toml\nExecStartPre=/bin/true")}, "a unit cannot name it"),
        ({"config": Path("/root/certd.toml")}, "does not see it there"),
    ],
)
def test_what_would_end_in_a_file_is_judged(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    """Nothing from the command line becomes a path, a rule or a unit's line that was not meant."""
    with pytest.raises(UsageError, match=words):
        judge(Wanted(root=tmp_path, prefix=tmp_path, **change))


def test_a_program_that_others_may_change_is_not_installed(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root would run it."""
    (short_path / "bin").mkdir()
    (short_path / "bin" / "certd").touch()
    monkeypatch.setattr("certd.cli.install_service.CLOSED", ())
    judge(Wanted(root=Path("/"), prefix=short_path))
    for path in (short_path, short_path / "bin", short_path / "bin" / "certd"):
        os.chown(path, 1, 1)
        with pytest.raises(UsageError, match="others than root may change what root would run"):
            judge(Wanted(root=Path("/"), prefix=short_path))
        os.chown(path, 0, 0)
    deep = short_path / "lib" / "python3" / "site-packages" / "certd"
    deep.mkdir(parents=True)
    for path in (short_path / "pyvenv.cfg", deep / "__init__.py"):
        path.touch(0o644)
        for spoil, put_right in ((lambda p: os.chown(p, 1, 1), lambda p: os.chown(p, 0, 0)), (_open, _close)):
            spoil(path)
            with pytest.raises(UsageError, match=f"{path}: others than root may change"):
                judge(Wanted(root=Path("/"), prefix=short_path))
            put_right(path)
    judge(Wanted(root=Path("/"), prefix=short_path))
    short_path.chmod(0o777)
    with pytest.raises(UsageError, match="others than root may change what root would run"):
        judge(Wanted(root=Path("/"), prefix=short_path))


def _open(path: Path) -> None:
    path.chmod(0o664)


def _close(path: Path) -> None:
    path.chmod(0o644)


def test_a_program_that_the_sandbox_hides_is_not_installed() -> None:
    """ProtectHome= and PrivateTmp= would keep the service from its own program."""
    with pytest.raises(UsageError, match="does not see it there"):
        judge(Wanted(root=Path("/"), prefix=Path("/home/x")))


def test_only_root(tmp_path: Path) -> None:
    """Anybody else is told how."""
    argv = [
        sys.executable,
        "-c",
        "import os; from certd.cli import main, install_service; os.setuid(1); main(['install-service'])",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "only root" in done.stderr


def test_every_file_is_in_the_package() -> None:
    """What is installed is what the checkout has."""
    assert len(files(Wanted(root=Path("/"), prefix=Path("/opt/certd"), reload=("nginx",), dns=("192.0.2.1",)))) == 7


def test_the_service_reads_the_configuration_that_was_named(wanted: Wanted) -> None:
    """An upgrade that names none keeps it."""
    named = replace(wanted, config=Path("/etc/certd/other.toml"))
    install(named)
    unit = wanted.root / "etc/systemd/system/certd.service"
    assert "ExecStart=/opt/other/bin/certd --config /etc/certd/other.toml run\n" in unit.read_text()
    assert installed_config(wanted) == Path("/etc/certd/other.toml")
    install(replace(wanted, config=Path("/etc/certd/certd.toml")))
    assert "ExecStart=/opt/other/bin/certd run\n" in unit.read_text()
    assert installed_config(wanted) == Path("/etc/certd/certd.toml")

"""A new kind of proxy, or a new DNS provider, is one file and one registry line: every command knows it then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.lab import desec, pound
from tests.lab.bought import buy
from tests.lab.planting import Copy, copy_of_certd

DOMAIN = "link.example.com"
POUND = Path(pound.__file__).read_text()


def copy_with_pound(folder: Path, text: str = POUND) -> Copy:
    """certd with this file among its kinds, and its line in the registry."""
    made = copy_of_certd(folder)
    made.add_file("certd/targets/kinds/pound.py", text)
    made.add_line("certd/targets/registry.py", '    "pound": "pound",', after="MODULES: ")
    return made


def without(text: str, part: str) -> str:
    """The file with one member of its ``KIND`` left out."""
    lines = [line for line in text.splitlines() if not line.startswith(f"    {part}=")]
    assert len(lines) == len(text.splitlines()) - 1
    return "\n".join(lines) + "\n"


def beginning(made: Copy, *more: str, **environment: str) -> str:
    """``certd init`` for one link; what it printed."""
    words = ("init", "--domain", DOMAIN, "--esp", "sendgrid", "--dns", "rfc2136", "--agree-terms")
    done = made.run(*words, *more, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_command_knows_it(short_path: Path) -> None:
    """``init`` finds its program; check, publish, plan and proxy-config do what they do for any kind."""
    programs = short_path / "bin"
    programs.mkdir()
    program = programs / "pound"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    made = copy_with_pound(short_path)
    assert "pound" in made.run("init", "--help").stdout
    search = f"{programs}:{os.environ.get('PATH', '')}"
    assert "# pound's side" in beginning(made, "--proxy", "pound", PATH=search)
    assert 'proxy = "pound" # found here: ' in (short_path / "certd.toml").read_text()
    (short_path / "tsig.key").touch(mode=0o600)

    checked = made.run("config", "check")
    assert (checked.returncode, checked.stderr) == (0, "")
    published = made.run("publish")
    assert (published.returncode, published.stderr) == (0, "")
    assert published.stdout.split() == [DOMAIN, "pound", "placeholder"]
    pointer = short_path / "state" / "public" / "proxies" / "pound" / f"{DOMAIN}.pem"
    assert "PRIVATE KEY" in pointer.read_text()
    bought = buy(short_path / "bought", DOMAIN, days=60)
    (short_path / "roots.pem").write_text(bought.root_pem)
    path = short_path / "certd.toml"
    path.write_text(path.read_text().replace("terms_agreed = true", 'terms_agreed = true\nroots = "roots.pem"', 1))
    assert made.run("import", "files", DOMAIN, str(bought.chain), str(bought.key)).returncode == 0
    assert made.run("publish").stdout.split()[:2] == [DOMAIN, "pound"]
    assert pointer.read_text().count(bought.chain.read_text().splitlines()[1]) == 1
    planned = made.run("plan")
    assert (planned.returncode, planned.stderr) == (0, "")
    assert f"{DOMAIN} on pound:" in planned.stdout
    written = made.run("proxy-config", DOMAIN)
    assert (written.returncode, written.stderr) == (0, "")
    assert written.stdout == f'# {DOMAIN}\npem-dir = "{pointer.parent}"\nbackend = "[sendgrid.net]:443"\n'


def test_its_side_may_be_missing(short_path: Path) -> None:
    """certd then publishes all the same, and ``proxy-config`` refuses in words."""
    made = copy_with_pound(short_path, POUND.replace("configuration=configuration", "configuration=None"))
    begun = made.run("init", "--domain", DOMAIN, "--proxy", "pound", "--dns", "rfc2136", "--agree-terms", PATH="")
    assert begun.returncode == 0
    assert "pound is not installed here" in begun.stderr
    assert made.run("publish").returncode == 0
    refused = made.run("proxy-config", DOMAIN)
    assert refused.returncode == 2
    assert "certd: error: proxy.pound is of kind pound; certd writes configurations for nginx, " in refused.stderr
    assert f"certd: hint: its pointer lies in {short_path}/state/public/proxies/pound" in refused.stderr


@pytest.mark.parametrize("part", ["name", "programs", "check", "pointer", "configuration"])
def test_half_a_kind_fails_before_it_is_published(short_path: Path, part: str) -> None:
    """What each part of certd needs has no default: the check of the configuration fails already, and names it."""
    made = copy_with_pound(short_path, without(POUND, part))
    (short_path / "certd.toml").write_text(
        f'certd.issue = false\nlink = [{{ domain = "{DOMAIN}", proxy = "pound" }}]\n'
    )
    for command in (("config", "check"), ("publish",)):
        refused = made.run(*command)
        assert refused.returncode == 2
        assert 'proxy.pound.kind: "pound" cannot be used: ' in refused.stderr
        assert f"missing 1 required keyword-only argument: '{part}'" in refused.stderr
    assert not (short_path / "state").exists()


def test_init_and_import_pass_over_half_a_kind(short_path: Path) -> None:
    """``init`` refuses it in words where somebody names it; otherwise it is as if it were not there."""
    made = copy_with_pound(short_path, without(POUND, "pointer"))
    begun = made.run("init", "--domain", DOMAIN, "--proxy", "pound", "--dns", "rfc2136", "--agree-terms")
    assert begun.returncode == 2
    assert '--proxy: "pound" cannot be used: ' in begun.stderr
    assert "missing 1 required keyword-only argument: 'pointer'" in begun.stderr
    assert not (short_path / "certd.toml").exists()
    assert "nginx's side" in beginning(made, "--proxy", "nginx")
    (short_path / "lego").mkdir()
    (short_path / "tsig.key").touch(mode=0o600)
    taken = made.run("import", "lego", str(short_path / "lego"))
    assert "Traceback" not in taken.stderr
    written = made.run("proxy-config", DOMAIN, "--proxy", "nginx")
    assert (written.returncode, written.stderr) == (0, "")


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ('name="pound"', 'name="hatch"', "has the kind of proxy hatch under the name pound"),
        ('unit="pound.service"', 'unit="pound"', "kind of proxy pound: unit does not fit"),
        ('pid_file="/run/pound/pound.pid"', 'signal="RELOAD"', "kind of proxy pound: signal does not fit"),
        ("KIND = ", "POUND = ", "has no attribute 'KIND'"),
        ("KIND = ", "KIND = = ", "invalid syntax"),
        ("import ProxyKind", "import ProxyKinds", "cannot import name 'ProxyKinds'"),
    ],
)
def test_parts_that_do_not_fit(short_path: Path, right: str, wrong: str, words: str) -> None:
    """They are refused when the kind is imported, which is when a configuration names it."""
    assert right in POUND
    made = copy_with_pound(short_path, POUND.replace(right, wrong))
    (short_path / "certd.toml").write_text(
        f'certd.issue = false\nlink = [{{ domain = "{DOMAIN}", proxy = "pound" }}]\n'
    )
    checked = made.run("config", "check")
    assert checked.returncode == 2
    assert 'proxy.pound.kind: "pound" cannot be used: ' in checked.stderr
    assert words in checked.stderr


def test_a_kind_that_nobody_uses_costs_nothing(short_path: Path) -> None:
    """A broken one, too: only a configuration that names it imports it."""
    made = copy_with_pound(short_path, "raise AssertionError\n")
    (short_path / "certd.toml").write_text(
        f'certd.issue = false\nlink = [{{ domain = "{DOMAIN}", proxy = "nginx" }}]\n'
    )
    checked = made.run("config", "check")
    assert (checked.returncode, checked.stderr) == (0, "")


# ---------------------------------------------------------------------------------------- DNS providers


DESEC = Path(desec.__file__).read_text()


def copy_with_desec(folder: Path, text: str = DESEC) -> Copy:
    """certd with this file among its providers, and its line in the registry."""
    made = copy_of_certd(folder)
    made.add_file("certd/dns/providers/desec.py", text)
    made.add_line("certd/dns/registry.py", '    "desec": "desec",', after="MODULES: ")
    return made


def test_init_knows_a_new_provider(short_path: Path) -> None:
    """It writes the table that stands in the provider's file, says which records to set, and the check takes it."""
    made = copy_with_desec(short_path)
    assert "desec" in made.run("init", "--help").stdout
    done = made.run("init", "--domain", DOMAIN, "--dns", "desec", "--proxy", "files", "--agree-terms")
    assert (done.returncode, done.stderr) == (0, "")
    assert "No record is set by hand" in done.stdout
    text = (short_path / "certd.toml").read_text()
    assert "\n# How the TXT record of the challenge gets into the DNS.\n" + desec.INIT_TABLE in text
    (short_path / "desec.token").touch(mode=0o600)
    checked = made.run("config", "check")
    assert (checked.returncode, checked.stderr) == (0, "")
    planned = made.run("plan")
    assert (planned.returncode, planned.stderr) == (0, "")


@pytest.mark.parametrize("part", ["schema", "build", "init"])
def test_half_a_provider_fails_before_it_orders(short_path: Path, part: str) -> None:
    """``init`` names the part that is missing and writes nothing; so does the check of a configuration."""
    made = copy_with_desec(short_path, without(DESEC, part))
    words = f"missing 1 required keyword-only argument: '{part}'"
    begun = made.run("init", "--domain", DOMAIN, "--dns", "desec", "--proxy", "files", "--agree-terms")
    assert begun.returncode == 2
    assert words in begun.stderr
    path = short_path / "certd.toml"
    assert not path.exists()
    path.write_text(f'{desec.INIT_TABLE}[[link]]\ndomain = "{DOMAIN}"\nproxy = "files"\n')
    checked = made.run("config", "check")
    assert checked.returncode == 2
    assert 'dns.desec.provider: "desec" cannot be used: ' in checked.stderr
    assert words in checked.stderr

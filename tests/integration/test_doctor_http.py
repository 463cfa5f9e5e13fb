"""The doctor's checks of HTTP, the e-mail service, the deploy path and policy, each failing for the right reason."""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from certd.cli.check import check as check_command
from certd.cli.entry import main
from certd.diagnosis.checklist import CHECKS, examine
from certd.diagnosis.findings import Grade
from certd.diagnosis.subject import Subject
from tests.lab.certd import certd
from tests.lab.certificates import DAY, NOW, make_leaf
from tests.lab.journey import PROXY
from tests.lab.ports import free_port
from tests.lab.scene import DOMAIN
from tests.lab.tls_server import TlsServer
from tests.lab.ward import Ward, says

pytestmark = pytest.mark.lab("pebble", "nginx", "bind")


# ------------------------------------------------------------------------------------ HTTP


def before_location(text: str, words: str) -> str:
    return text.replace("    location / {", f"    {words}\n    location / {{")


SITES: dict[str, tuple[str, Callable[[str], str], Grade, str]] = {
    "a redirect for good": (
        "D1",
        lambda text: before_location(text, "if ($scheme = http) { return 301 https://$host$request_uri; }"),
        Grade.WARN,
        "redirects for good (301)",
    ),
    "the host lost": (
        "D3",
        lambda text: text.replace("Host $host;", "Host sendgrid.net;"),
        Grade.FAIL,
        "the proxy is not sending Host",
    ),
    "paths changed": (
        "D5",
        lambda text: text.replace("location / {", "location / { rewrite ^ $uri break;"),
        Grade.WARN,
        "a path with %2F",
    ),
    "a method refused": (
        "D6",
        lambda text: before_location(text, "if ($request_method = POST) { return 405; }"),
        Grade.FAIL,
        "POST is refused (405)",
    ),
    "HSTS for all below": (
        "D7",
        lambda text: before_location(
            text, 'add_header Strict-Transport-Security "max-age=1; includeSubDomains" always;'
        ),
        Grade.WARN,
        "includeSubDomains",
    ),
    "image proxies refused": (
        "D8",
        lambda text: before_location(text, "if ($http_user_agent ~ GoogleImageProxy) { return 403; }"),
        Grade.WARN,
        "Google's image proxy is refused (403)",
    ),
    "the service not reached": (
        "E4",
        lambda text: text.replace("_pass http://127.0.0.1:", "_pass http://127.0.0.2:1;#"),
        Grade.FAIL,
        "it answers 502",
    ),
}


@pytest.mark.parametrize("name", SITES)
def test_a_proxy_that_spoils_clicks(ward: Ward, name: str) -> None:
    """Each mistake of an operator's nginx is named."""
    code, change, grade, words = SITES[name]
    ward.with_site(change)
    says(ward.subject, code, grade, words)


def test_answers_that_are_wrong(ward: Ward) -> None:
    """A server error, a cached answer."""
    ward.scene.esp.status = 500
    says(ward.subject(), "D2", Grade.FAIL, "answers 500")
    ward.scene.esp.status, ward.scene.esp.headers = 302, {"Age": "5"}
    says(ward.subject(), "D4", Grade.WARN, "from a cache")


def test_association_files(ward: Ward, tmp_path: Path) -> None:
    """Configured, and forwarded to the e-mail service, which redirects; served, but for every path."""

    def subject() -> Subject:
        made = ward.subject()
        assert made.chart is not None
        made.chart = replace(made.chart, associations={"apple": "/x", "android": "/y"})
        return made

    says(subject(), "D9", Grade.FAIL, "is redirected (302)")
    says(subject(), "D10", Grade.FAIL, "/.well-known/assetlinks.json is redirected (302)")
    body = '{"applinks": {"details": [{"paths": ["*"]}]}}'
    head = "location ~ apple-app { default_type application/json; return 200 "
    served = f"{head}'{body}';" + " }"
    ward.with_site(lambda text: before_location(text, served))
    says(subject, "D9", Grade.PASS, "are served")
    says(subject(), "D11", Grade.WARN, "every click would open the app")


# ------------------------------------------------------------------------------------ the e-mail service


def test_a_service_that_does_not_answer(ward: Ward) -> None:
    """No such name, a stranger's certificate, a host that it does not know, no redirect for a real link."""
    lost = ward.subject()
    assert lost.desired.esp is not None
    lost.desired = replace(lost.desired, esp=replace(lost.desired.esp, upstream="https://no-such-host.invalid"))
    says(lost, "E1", Grade.WARN, "no-such-host.invalid cannot be resolved")
    with TlsServer((make_leaf(ward.root, "localhost"), [])) as server:
        taken = ward.subject()
        assert taken.desired.esp is not None
        taken.desired = replace(
            taken.desired, esp=replace(taken.desired.esp, upstream=f"https://localhost:{server.port}")
        )
        says(taken, "E2", Grade.FAIL, "its certificate is not trusted")
    unknown = ward.subject()
    unknown.desired = replace(unknown.desired, host="unknown.example.test")
    says(unknown, "E3", Grade.FAIL, "does not know unknown.example.test", "validate it once")
    says(ward.subject(sample=f"https://{DOMAIN}/ls/click?upn=1"), "E5", Grade.PASS, "shop.example.test")
    ward.scene.esp.status = 200
    says(ward.subject(sample=f"https://{DOMAIN}/ls/click?upn=1"), "E5", Grade.FAIL, "no redirect")


# ------------------------------------------------------------------------------------ deploy path


def test_a_configuration_that_is_broken(ward: Ward) -> None:
    """In the proxy's own words."""
    extra = ward.scene.nginx.folder / "sites" / "broken.conf"
    extra.write_text("nonsense on;\n")
    try:
        says(ward.subject(), "F1", Grade.FAIL, 'unknown directive "nonsense"')
    finally:
        extra.unlink()


def test_a_proxy_that_does_not_serve_our_file(ward: Ward) -> None:
    """Its endpoint shows something else than the pointer names; nothing listens; the user may not reload it."""
    with TlsServer((make_leaf(ward.root, DOMAIN), [])) as server:
        subject = ward.subject()
        subject.desired = replace(subject.desired, endpoints=((server.place, False),))
        says(subject, "F2", Grade.FAIL, "something else than its pointer names", "include ")
    down = ward.subject()
    down.desired = replace(down.desired, endpoints=((f"127.0.0.1:{free_port()}", False),))
    says(down, "F4", Grade.FAIL, "nothing listens there")
    pid = ward.scene.nginx.pid_file
    moved = pid.rename(pid.with_name("moved.pid"))
    try:
        says(ward.subject(), "F3", Grade.FAIL, "may not signal it", "polkit")
    finally:
        moved.rename(pid)


def test_what_the_last_deployment_left(ward: Ward) -> None:
    """An error, and something else in memory than on the disk."""
    subject = ward.subject()
    assert subject.chart is not None
    (place,) = subject.chart.places
    failed = replace(place.deployment, error="the reload failed: no", hint="correct it")
    subject.chart = replace(subject.chart, places=(replace(place, deployment=failed),))
    says(subject, "F5", Grade.FAIL, "the reload failed: no", "correct it")
    other = replace(place.deployment, served="ab" * 32)
    subject.chart = replace(subject.chart, places=(replace(place, deployment=other),))
    says(subject, "F6", Grade.FAIL, "serves abababab, and would start with")


# ------------------------------------------------------------------------------------ policy


def test_policy(ward: Ward) -> None:
    """HSTS of the parent is told; a late renewal, a wrong clock, http links, nobody to be told."""
    ward.journey.bind.add("example.test", "A", "192.0.2.11")
    with TlsServer(
        (make_leaf(ward.root, "example.test"), []),
        headers={"Strict-Transport-Security": "max-age=9; includeSubDomains"},
    ) as server:
        subject = ward.subject()
        subject.desired = replace(
            subject.desired, elsewhere={**subject.desired.elsewhere, "192.0.2.11:443": server.place}
        )
        says(subject, "G1", Grade.PASS, "HSTS by example.test: a lapse would be fatal")
    late = ward.subject()
    late.now = lambda: NOW + 85 * DAY
    says(late, "G2", Grade.FAIL, "into its margin")
    wrong = ward.subject()
    wrong.now = lambda: NOW + timedelta(hours=1)
    says(wrong, "G3", Grade.FAIL, "apart", "NTP")
    says(ward.subject(sample=f"http://{DOMAIN}/x"), "G5", Grade.WARN, "HTTPS is not switched on", "SendGrid's support")
    says(ward.subject(), "G6", Grade.PASS, "never press Verify")
    silent = ward.subject()
    assert silent.chart is not None
    silent.chart = replace(silent.chart, has_alarms=False)
    says(silent, "G7", Grade.WARN, "nobody is told")


# ------------------------------------------------------------------------------------ the command


def test_the_command(ward: Ward) -> None:
    """A table, JSON, the plugin's line; exit codes; one verdict over a label."""
    scene = ward.scene
    body = json.loads(scene.tried("doctor", DOMAIN, "--json").stdout)["check"]
    assert len(body["hosts"][0]["findings"]) == len(CHECKS)
    line = scene.tried("check", "--nagios")
    assert line.stdout.startswith("CERTD ")
    assert line.returncode in {0, 1}
    ward.scene.nginx.stop()
    try:
        broken = scene.tried("check")
        assert broken.returncode == 3
        assert "FAIL C1" in broken.stdout and "hint: " in broken.stdout
    finally:
        scene.nginx.start()
    unknown = scene.tried("check", "--label", "brand=x")
    assert unknown.returncode == 2
    assert "no link has the label brand=x" in unknown.stderr
    config = scene.config.read_text()
    scene.config.write_text(config.replace(f'domain = "{DOMAIN}"', f'domain = "{DOMAIN}"\nlabels = {{ brand = "x" }}'))
    labelled = scene.tried("check", "--label", "brand=x", "--all")
    scene.config.write_text(config)
    assert "brand=x: " in labelled.stdout
    assert "deploy path" in labelled.stdout
    assert "ok   C2  tls.valid" in labelled.stdout


def test_a_host_without_a_configuration(ward: Ward, tmp_path: Path) -> None:
    """Nothing but a name and an e-mail service is needed."""
    arguments = [
        "check",
        DOMAIN,
        "--esp",
        ward.scene.esp.url,
        "--resolver",
        f"127.0.0.1:{ward.journey.bind.port}",
        "--connect-to",
        f"{PROXY}:443=127.0.0.1:{ward.scene.tls}",
        "--connect-to",
        f"{PROXY}:80=127.0.0.1:{ward.scene.plain}",
        "--ca",
        str(ward.scene.pebble.roots),
    ]
    done = certd(tmp_path / "none.toml", *arguments, code=None)
    assert done.returncode in {0, 3}
    assert "ok   C2  tls.valid" in done.stdout, done.stdout + done.stderr
    assert "stored material" not in done.stdout
    assert "ok   E4  up.through" in done.stdout
    refused = certd(tmp_path / "none.toml", "check", DOMAIN, "--esp", "sendgird", code=2)
    assert "sendgird is no e-mail service" in refused.stderr
    assert 'did you mean "sendgrid"?' in refused.stderr


def test_before_the_first_certificate(ward: Ward) -> None:
    """It says what is missing, and what is ready."""
    assert "FAIL C2  tls.valid" in ward.before
    assert "it serves certd's placeholder" in ward.before
    assert "hint: `certd once` orders the first certificate" in ward.before
    assert "WARN G2  renewal.window       nothing is issued yet" in ward.before
    assert "ok   E4  up.through" in ward.before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_as_a_user_without_rights(ward: Ward) -> None:
    """It works, says which right is missing, and judges what it can from outside."""
    copy, out = ward.scene.folder.parent / "nobody.toml", ward.scene.folder.parent / "nobody.out"
    shutil.copy(ward.scene.config, copy)
    copy.chmod(0o644)
    for path in (ward.scene.folder, ward.scene.folder / "pebble"):
        path.chmod(0o755)
    # A fork, so that a checkout which that user cannot read is no matter.
    assert check_command.name == "check"
    child = os.fork()
    if child == 0:
        with out.open("w") as file:
            sys.stdout = sys.stderr = file
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            try:
                main(["--config", str(copy), "check", "--all"])
            except SystemExit:
                pass
            except BaseException:
                traceback.print_exc(file=file)
            finally:
                file.flush()
                os._exit(0)
    os.waitpid(child, 0)
    said = out.read_text()
    assert "WARN F7" in said, said
    assert "nobody may not read" in said
    assert "ok   C1  tls.connect" in said


def test_a_check_that_hangs_holds_up_nobody(ward: Ward) -> None:
    """What is not done in time is skipped, and said."""
    slow = [check for check in CHECKS if check.code == "C4"]
    (finding,) = examine(ward.subject(), slow, seconds=0.5)
    assert (finding.result.grade, "not done within" in finding.result.words) == (Grade.SKIP, True)

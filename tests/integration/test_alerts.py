"""Alarms that arrive: by webhook, by mail, by a command."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.listeners import Hook, MailServer
from tests.lab.ports import free_port
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "nginx")
Wait = Callable[..., None]


def with_alarms(scene: Scene, text: str) -> None:
    """Add ``[alarms]`` to the configuration."""
    scene.config.write_text(f"{scene.config.read_text()}\n[alarms]\n{text}\n")


def test_a_test_by_every_channel(scene: Scene, short_path: Path) -> None:
    """Each says whether it took it; one that does not is named and makes the exit code 1."""
    out = short_path / "out"
    program = short_path / "tell"
    program.write_text(f'#!/bin/sh\ncat > {out}\necho "$CERTD_LEVEL $CERTD_SUBJECT" >> {out}\n')
    program.chmod(0o755)
    (short_path / "hook").write_text("will be set\n")
    with Hook() as hook, MailServer() as mail:
        (short_path / "hook").write_text(hook.url + "/secret-token\n")
        with_alarms(
            scene,
            f'webhook = "file:{short_path}/hook"\nsmtp = "smtp://127.0.0.1:{mail.port}"\n'
            'mail_from = "certd@example.com"\nmail_to = ["ops@example.com", "boss@example.com"]\n'
            f'command = ["{program}"]',
        )
        said = scene.run("alarm", "test")
        assert said.splitlines() == ["webhook: told", "smtp: told", "command: told"]
        assert hook.bodies[0]["level"] == "note"
        assert "this is a test" in hook.bodies[0]["text"]
        assert "Subject: [certd lab] note: lab: this is a test of certd's alarms" in mail.messages[0]
        assert len(mail.recipients) == 2
        assert out.read_text().endswith("note lab\n")
        hook.status = 403
        program.write_text("#!/bin/sh\necho no pager; exit 3\n")
        scene.config.write_text(scene.config.read_text().replace("ops@", "nobody@"))
        done = scene.tried("alarm", "test")
    assert done.returncode == 1
    told = ("alarms.webhook: 127.0.0.1:", "answers 403", "alarms.command: ", "ended with 3: no pager")
    for words in (*told, "nobody@example.com"):
        assert words in done.stderr
    assert "secret-token" not in done.stderr + done.stdout


def test_a_service_of_apprise(scene: Scene, short_path: Path) -> None:
    """Its address may stand in a file and is never repeated; a refusal, and an address that is none, are said."""
    with Hook() as hook:
        (short_path / "address").write_text(f"json://127.0.0.1:{hook.url.rpartition(':')[2]}/secret-token\n")
        with_alarms(scene, f'apprise = ["file:{short_path}/address"]')
        assert scene.run("alarm", "test") == "apprise[0]: told\n"
        assert hook.bodies[0]["title"] == "[certd lab] note: lab: this is a test of certd's alarms"
        assert "You can: nothing: it got through" in hook.bodies[0]["message"]
        hook.status = 403
        done = scene.tried("alarm", "test")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "certd: error: alarms.apprise[0]: JSON did not take it\n"
        (short_path / "address").write_text("nonsense://secret-token\n")
        done = scene.tried("alarm", "test")
        assert "apprise does not know such an address" in done.stderr
        assert "secret-token" not in done.stderr


def test_without_a_channel(scene: Scene) -> None:
    """Said with the way out."""
    done = scene.tried("alarm", "test")
    assert done.returncode == 2
    assert "[alarms]" in done.stderr


@pytest.mark.timeout(240)
def test_a_cause_is_told_and_closed(scene: Scene, eventually: Wait) -> None:
    """What only a human can end is told at the first look, with what to do, and closed when it is over. While nobody
    can be told, health is red.
    """
    port = free_port()
    with Hook() as hook:
        hook.status = 500
        text = scene.config.read_text().replace('listen = ""', f'listen = "127.0.0.1:{port}"', 1)
        blocked = '\n[[link]]\ndomain = "blocked.example"\nlabels = { brand = "x" }\n'
        scene.config.write_text(text + blocked)
        with_alarms(scene, f'webhook = "{hook.url}"\nping = "{hook.url}/ping"')
        scene.nginx.start()
        scene.start_certd()
        eventually(lambda: bool(hook.bodies))
        alarm = next(body for body in hook.bodies if body["subject"] == "blocked.example")
        assert alarm["state"] == "open"
        assert alarm["level"] == "warning"
        assert "policy" in alarm["words"].lower() or "block" in alarm["words"].lower()
        assert alarm["next"].startswith("it is tried again at")
        assert alarm["labels"] == {"brand": "x"}
        with pytest.raises(urllib.error.HTTPError) as red:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5)
        assert b"nobody can be told" in red.value.read()
        hook.status = 200
        told = len(hook.bodies)
        eventually(lambda: len(hook.bodies) > told)
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).read() == b"alive\n"
        assert hook.gets > 0
        scene.config.write_text(scene.config.read_text().replace(blocked, ""))
        scene.run("reload")
        eventually(lambda: any(body["state"] == "over" for body in hook.bodies))
        print(json.dumps(hook.bodies, indent=1))
        assert DOMAIN not in {body["subject"] for body in hook.bodies}


def test_one_of_two_channels_is_enough(scene: Scene, eventually: Wait) -> None:
    """The mail server is gone, the webhook takes the alarm: it is told once, not again for the sake of the other one,
    the log names the channel that did not, and health stays good; `alarm test` says which of the two is broken.
    """
    port = free_port()
    with Hook() as hook:
        text = scene.config.read_text().replace('listen = ""', f'listen = "127.0.0.1:{port}"', 1)
        scene.config.write_text(text + '\n[[link]]\ndomain = "blocked.example"\n')
        with_alarms(
            scene,
            f'webhook = "{hook.url}"\nsmtp = "smtp://127.0.0.1:{free_port()}"\nmail_from = "certd@example.com"\n'
            'mail_to = ["ops@example.com"]',
        )
        scene.nginx.start()
        scene.start_certd()
        eventually(lambda: bool(hook.bodies))
        eventually(lambda: "nobody was told" in scene.certd_log())
        assert "channel=smtp" in scene.certd_log()
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).read() == b"alive\n"
        scene.run("reload")
        eventually(lambda: "configuration read again" in scene.certd_log())
        done = scene.tried("alarm", "test")
        assert (done.returncode, done.stdout) == (1, "webhook: told\n")
        assert "alarms.smtp" in done.stderr
        assert [body["subject"] for body in hook.bodies].count("blocked.example") == 1


@pytest.mark.timeout(300)
def test_a_channel_that_fails_is_told_by_the_other(scene: Scene, short_path: Path, eventually: Wait) -> None:
    """That one of two is silent is an alarm of its own, over as soon as it has taken something again; a restart between
    neither forgets it nor tells it twice.
    """
    program = short_path / "tell"
    program.write_text("#!/bin/sh\necho no pager; exit 3\n")
    program.chmod(0o755)
    blocked = '\n[[link]]\ndomain = "blocked.example"\n'

    def told(state: str) -> list[str]:
        return [body["words"] for body in hook.bodies if (body["subject"], body["state"]) == ("alarms.command", state)]

    with Hook() as hook:
        scene.config.write_text(scene.config.read_text() + blocked)
        with_alarms(scene, f'webhook = "{hook.url}"\ncommand = ["{program}"]')
        scene.nginx.start()
        scene.start_certd()
        eventually(lambda: told("open"), 120)
        assert "ended with 3: no pager" in told("open")[0]
        scene.stop_certd()
        program.write_text("#!/bin/sh\ncat >/dev/null\n")
        scene.start_certd()
        scene.config.write_text(scene.config.read_text().replace(blocked, ""))
        scene.run("reload")
        eventually(lambda: told("over"), 120)
        assert (len(told("open")), len(told("over"))) == (1, 1)


def test_alarms_go_to_the_channels_of_their_labels(scene: Scene, eventually: Wait) -> None:
    """A brand's alarms go to that brand alone; what no route takes goes to the default. A silent channel of a route is
    told by the default one, under its own name.
    """
    links = "".join(
        f'\n[[link]]\ndomain = "blocked.{brand}.example"\nlabels = {{ brand = "{brand}", tier = "1" }}\n'
        for brand in ("x", "y", "z")
    )
    scene.pebble.stop()
    scene.pebble.blocked = ("example",)
    scene.pebble.start()
    with Hook() as everyone, Hook() as of_x, Hook() as of_y:
        scene.write_config(links=links)
        with_alarms(
            scene,
            f'webhook = "{everyone.url}"\n'
            f'[[alarms.route]]\nmatch = {{ brand = "x" }}\nwebhook = "{of_x.url}"\n'
            f'[[alarms.route]]\nmatch = {{ tier = "1", brand = "y" }}\nwebhook = "{of_y.url}"\n',
        )
        assert scene.run("alarm", "test").splitlines() == [
            "webhook: told",
            "route[0].webhook: told",
            "route[1].webhook: told",
        ]
        of_y.status = 500
        done = scene.tried("alarm", "test")
        assert done.returncode == 1
        assert "alarms.route[1].webhook: 127.0.0.1" in done.stderr
        for hook in (everyone, of_x, of_y):
            hook.bodies.clear()
        scene.nginx.start()
        scene.start_certd()

        def subjects(hook: Hook) -> set[str]:
            return {str(body["subject"]) for body in hook.bodies if str(body["subject"]).startswith("blocked.")}

        eventually(lambda: subjects(everyone) == {"blocked.z.example"} and subjects(of_y) == {"blocked.y.example"})
        eventually(lambda: subjects(of_x) == {"blocked.x.example"})
        eventually(lambda: any("route[1].webhook" in json.dumps(body) for body in everyone.bodies))
        assert subjects(everyone) == {"blocked.z.example"}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('webhook = "http://x.example"', "alarms.route[0].match: is empty, so it would take every alarm"),
        ('match = { brand = "x" }', "alarms.route[0]: has no channel"),
        ('match = { brand = "x" }\nsmtp = "smtp://u@h"', "alarms.route[0].smtp_password: is missing"),
        ('match = { brand = 1 }\nwebhook = "env:X"', "alarms.route[0].match.brand"),
        ('match = { brand = "x" }\nping = "https://x.example"', "alarms.route[0].ping"),
    ],
)
def test_a_route_that_is_wrong(scene: Scene, table: str, words: str) -> None:
    """Each mistake by its place."""
    with_alarms(scene, f"[[alarms.route]]\n{table}")
    done = scene.tried("config", "check")
    assert done.returncode == 2
    assert words in done.stderr

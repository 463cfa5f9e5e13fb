"""From ``certd init`` to a served certificate: what it writes passes the checks, and the records that it prints are the
ones that are needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.bind import Bind
from tests.lab.clicker import click
from tests.lab.journey import EDGE, EXAMPLE, MAIL, MAILER, PROXY, SERVER, SERVICE
from tests.lab.scene import DOMAIN, Scene
from tests.lab.unbound import Unbound

pytestmark = pytest.mark.lab("pebble", "nginx", "bind", "unbound")
Wait = Callable[..., None]

PARENT = f"""@ IN NS ns1
ns1 IN A {SERVER}
example IN NS ns1.example
ns1.example IN A {SERVER}
mailer IN NS ns1.mailer
ns1.mailer IN A {SERVER}
"""

# As init prints them; names end with a dot there, addresses do not.
RECORD = re.compile(r"^    (\S+)\.  (NS|A|AAAA|CNAME)  (\S+)$", re.MULTILINE)


def in_the_lab(scene: Scene, bind: Bind, resolver: Unbound) -> str:
    """What differs here from a machine with a public address: where the world answers, and that CA is Pebble."""
    places = {f"{PROXY}:443": scene.tls, f"{PROXY}:80": scene.plain, f"{SERVICE}:80": scene.esp.port}
    table = ", ".join(f'"{place}" = "127.0.0.1:{port}"' for place, port in places.items())
    servers = f'"{SERVER}" = "127.0.0.1:{bind.port}", "{PROXY}" = "127.0.0.1:{scene.dns}"'
    check = json.dumps(scene.nginx.check_command)
    return (
        f'\n[network]\nresolvers = ["127.0.0.1:{resolver.port}"]\nname_servers = {{ {servers} }}\n'
        f"addresses = {{ {table} }}\n"
        f'[proxy.nginx]\nreload = "signal:HUP:{scene.nginx.pid_file}"\ncheck = {check}\n'
        f'endpoints = ["127.0.0.1:{scene.tls}"]\nlisten = [{scene.plain}, {scene.tls}]\n'
        f'[esp.sendgrid]\nupstream = "{scene.esp.url}"\nhosts = ["{MAILER}"]\n[alarms]\ncommand = ["/bin/true"]\n'
    )


def worries(scene: Scene) -> dict[str, str]:
    """What ``certd check`` finds to mend, by the check's name."""
    done = scene.tried("check", DOMAIN, "--json")
    found = json.loads(done.stdout)["check"]["hosts"]
    return {
        str(finding["name"]): str(finding["words"])
        for one in found
        for finding in one["findings"]
        if finding["grade"] in {"fail", "warn"}
    }


@pytest.mark.timeout(240)
def test_what_init_says_is_all_that_is_needed(short_path: Path, eventually: Wait) -> None:
    """Without the records ``check`` asks for them; with exactly those that init printed, and the CNAME moved, nothing
    is left to mend, and clients get the certificate.
    """
    scene = Scene(short_path / "scene")
    with Bind(short_path / "bind", {"example.test": EXAMPLE, MAILER: MAIL, "test": PARENT}) as bind:
        stubs = {**dict.fromkeys(bind.zones, bind.port), "acme.example.test": scene.dns}
        with Unbound(short_path / "unbound", stubs) as resolver:
            scene.pebble.dns, scene.pebble.reuse = f"127.0.0.1:{resolver.port}", 0
            try:
                begin(scene, bind, resolver, eventually)
            finally:
                print(scene.certd_log())
                scene.stop()


def begin(scene: Scene, bind: Bind, resolver: Unbound, eventually: Wait) -> None:
    """As the README says, in its order."""
    scene.folder.mkdir(parents=True)
    scene.pebble.start()
    scene.esp.start()
    scene.nginx.prepare()
    options = ("--dns", "responder", "--address", PROXY, "--proxy", "nginx", "--esp", "sendgrid", "--agree-terms")
    said = scene.run("init", "--domain", DOMAIN, *options)
    text = scene.config.read_text()
    for old, new in (
        ("[certd]\n", f'[certd]\nstate = "{scene.state}"\nlisten = ""\n'),
        (f'listen = ["{PROXY}:53"]', f'listen = ["127.0.0.1:{scene.dns}"]'),
        (
            "[issuer.letsencrypt]\n",
            f'[issuer.letsencrypt]\ndirectory = "{scene.pebble.directory}"\nca_file = "{scene.pebble.ca_file}"\n'
            f'roots = "{scene.pebble.roots}"\n',
        ),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    scene.config.write_text(text + in_the_lab(scene, bind, resolver))
    # Only now: no public CA signs a name of the lab's.
    scene.run("config", "check")
    scene.run("config", "check")
    scene.nginx.site(DOMAIN, scene.run("proxy-config", DOMAIN))
    scene.start_certd()
    scene.nginx.start()
    eventually(lambda: "kind=delegation" in scene.certd_log())
    assert "wanted: " in json.dumps(worries(scene))
    assert "ordered  " not in scene.certd_log()
    printed = RECORD.findall(said)
    assert [kind for _, kind, _ in printed] == ["NS", "A", "CNAME"]
    for name, kind, value in printed:
        bind.update(name, kind, value, zone="example.test")
    # Without being asked certd looks once a minute.
    scene.run("renew", DOMAIN, "--force")
    assert click(scene.tls, DOMAIN, scene.roots).trouble == ""
    bind.move(DOMAIN, "CNAME", f"{EDGE}.")
    # The certificate is of this minute, which a check of its dates says.
    eventually(lambda: set(worries(scene)) <= {"pair.time"}, 60)

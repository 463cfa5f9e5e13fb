"""certd and nginx in two containers: a shared PID namespace and a signal, or a stamp and a watcher; lost volumes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lab.clicker import click
from tests.lab.esp import Esp
from tests.lab.pebble import Pebble
from tests.lab.process import answers
from tests.system.podman import BASE, IMAGE, Container, podman
from tests.system.wheels import ROOT

DOMAIN = "link.example.test"
ZONE = f"_acme-challenge.{DOMAIN}"
USER = 65532
STATE = "/var/lib/certd"
RECREATED = int(os.environ.get("CERTD_TEST_RECREATED", "100"))

CONFIG = """
[certd]
listen = "0.0.0.0:9180"

[network]
resolvers = ["127.0.0.1:5353"]
name_servers = {{ "192.0.2.53" = "127.0.0.1:5353" }}

[issuer.pebble]
terms_agreed = true
directory = "{directory}"
ca_file = "/pebble/pebble-ca.pem"
roots = "/pebble/roots.pem"

[dns.own]
provider = "responder"
listen = ["127.0.0.1:5353"]
zones = ["{zone}"]
ns = ["ns1.{zone}"]
addresses = {{ "ns1.{zone}" = ["192.0.2.53"] }}

[proxy.{proxy}]
reload = "{reload}"
check = []
endpoints = ["127.0.0.1:8443"]
listen = [8080, 8443]
map = {{ "/var/lib/certd/public" = "/certs" }}

[esp.stand-in]
upstream = "{esp}"

[[link]]
domain = "{domain}"
issuer = "pebble"
proxy = "{proxy}"
esp = "stand-in"
"""

BY_SIGNAL = "signal:HUP:/shared/nginx.pid"

NGINX = """
pid /shared/nginx.pid;
error_log stderr notice;
events {{ }}
http {{
    access_log off;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    include /shared/sites/*.conf;
}}
"""


@dataclass
class Pod:
    """Folders that stand for volumes, the CA and the e-mail service; containers as they are started."""

    folder: Path
    pebble: Pebble
    esp: Esp
    reload: str = BY_SIGNAL
    proxy: str = "nginx"
    certd: Container = field(default_factory=lambda: Container("certd"))
    nginx: Container = field(default_factory=lambda: Container("nginx"))

    def prepare(self) -> None:
        """The volumes, owned by the containers' user, and what is configured."""
        for name in ("state", "public", "reload", "shared", "shared/sites", "config"):
            path = self.folder / name
            path.mkdir(parents=True)
            os.chown(path, USER, USER)
        self.write_config()
        (self.folder / "shared" / "nginx.conf").write_text(NGINX.format())

    def write_config(self, extra: str = "") -> None:
        """certd's configuration, readable by a user that is not ours."""
        text = CONFIG.format(
            directory=self.pebble.directory,
            zone=ZONE,
            proxy=self.proxy,
            reload=self.reload,
            esp=self.esp.url,
            domain=DOMAIN,
        )
        (self.folder / "config" / "certd.toml").write_text(text + extra)

    @property
    def volumes(self) -> dict[str, str]:
        """certd's."""
        at = self.folder
        return {
            f"{at}/state": STATE,
            f"{at}/public": f"{STATE}/public",
            f"{at}/reload": f"{STATE}/reload",
            f"{at}/shared": "/shared",
            f"{at}/config": "/etc/certd:ro",
            f"{self.pebble.folder}": "/pebble:ro",
        }

    def start_certd(self, *command: str, options: tuple[str, ...] = ()) -> None:
        """As the README says: nothing but its volumes can be written, and it has no capability."""
        closed = ("--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--security-opt", "no-new-privileges")
        self.certd.run(IMAGE, *command, options=(*closed, *options), volumes=self.volumes)

    def once(self, *command: str) -> str:
        """A command in a container of its own, as an init container runs it."""
        binds = [part for here, there in self.volumes.items() for part in ("-v", f"{here}:{there}")]
        limits = ("--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1000:4000")
        return podman("run", "--rm", "--network", "host", "--read-only", *limits, *binds, IMAGE, *command)

    def start_nginx(self, *options: str, user: str = f"{USER}:{USER}", watch: str = "") -> None:
        """It sees what is published, at another path, and neither the store nor its keys."""
        volumes = {f"{self.folder}/public": "/certs:ro", f"{self.folder}/shared": "/shared"}
        if watch:
            volumes |= {
                f"{self.folder}/reload": f"{STATE}/reload",
                str(ROOT / "config" / "nginx-watch.sh"): f"{watch}:ro",
            }
        begin = f"{watch}; " if watch else ""
        # `nginx -t` of the watcher must judge the same file.
        command = f"cp /shared/nginx.conf /etc/nginx/nginx.conf 2>/dev/null; {begin}exec nginx -g 'daemon off;'"
        if user != "0":
            command = "exec nginx -c /shared/nginx.conf -g 'daemon off;'"
        self.nginx.run(BASE, "sh", "-c", command, options=("--user", user, *options), volumes=volumes)

    def site(self) -> None:
        """nginx's side, as certd prints it."""
        said = self.once("proxy-config", DOMAIN)
        (self.folder / "shared" / "sites" / "link.conf").write_text(said)

    def served(self) -> str:
        """What clients get, by fingerprint; empty while they trust nothing."""
        return click(8443, DOMAIN, self.pebble.roots.read_text()).fingerprint

    def is_calm(self) -> bool:
        """certd says that all is well: status ends with 0."""
        return self.certd.exec_code("certd", "status") == 0

    def issued(self) -> int:
        """Certificates that the CA made."""
        return self.pebble.log().count("Issued certificate serial")

    def stop(self) -> None:
        """Remove the containers."""
        self.certd.remove()
        self.nginx.remove()


@contextmanager
def pod_with(folder: Path, *, proxy: str = "nginx", reload: str = BY_SIGNAL) -> Iterator[Pod]:
    """Pebble runs; no container does."""
    pebble, esp = Pebble(folder / "pebble", dns="127.0.0.1:5353"), Esp(DOMAIN)
    made = Pod(folder / "pod", pebble, esp, reload, proxy)
    try:
        pebble.start()
        esp.start()
        (folder / "pebble").chmod(0o755)
        made.prepare()
        yield made
    finally:
        made.stop()
        esp.stop()
        pebble.stop()


@pytest.fixture
def pod(short_path: Path) -> Iterator[Pod]:
    """With nginx."""
    with pod_with(short_path) as made:
        yield made


@pytest.fixture
def running(pod: Pod) -> Pod:
    """nginx with a placeholder first, certd in its PID namespace, the first certificate served."""
    pod.site()
    pod.start_nginx()
    pod.nginx.wait_until(lambda: answers("127.0.0.1", 8443), "nginx")
    pod.start_certd(options=("--pid", f"container:{pod.nginx.name}"))
    pod.certd.wait_until(lambda: bool(pod.served()), "the first certificate")
    pod.certd.wait_until(lambda: "served" in pod.certd.logs(), "its proof")
    return pod


def test_a_renewal_is_seen_by_handshake(running: Pod) -> None:
    """By a signal across two containers, from certd without any capability, on a root that cannot be written."""
    before = running.served()
    running.certd.exec("certd", "renew", DOMAIN, "--force")
    assert running.served() not in {"", before}
    assert running.issued() == 2
    links = [path for path in (running.folder / "public").rglob("*") if path.is_symlink()]
    assert links
    assert all(not os.readlink(path).startswith("/") for path in links)
    pointer = (running.folder / "public" / "proxies" / "nginx" / f"{DOMAIN}.conf").read_text()
    assert '"/certs/certs/' in pointer


def test_probes_and_the_health_check(running: Pod) -> None:
    """/healthz and /readyz answer on the pod's address, and the image's own check passes."""
    asked = "from urllib.request import urlopen; print(urlopen('http://192.0.2.53:9180{path}').read())"
    for path, words in (("/healthz", "alive"), ("/readyz", "ready")):
        assert words in running.nginx.exec("python3", "-c", asked.replace("{path}", path))
    podman("healthcheck", "run", running.certd.name)


def test_as_process_1_it_ends_when_asked(pod: Pod) -> None:
    """SIGTERM ends it in time, with exit code 0, and nothing is killed; SIGHUP does not end it."""
    pod.start_certd()
    pod.certd.wait_until(lambda: "ready" in pod.certd.logs(), "ready")
    podman("kill", "--signal", "HUP", pod.certd.name)
    pod.certd.wait_until(lambda: "configuration read again" in pod.certd.logs(), "SIGHUP")
    podman("stop", "-t", "30", pod.certd.name)
    assert podman("inspect", "-f", "{{.State.ExitCode}}", pod.certd.name).strip() == "0"
    assert "stopped" in pod.certd.logs()


def test_a_stamp_and_a_watcher(pod: Pod) -> None:
    """The other way: no shared PID namespace; nginx is root in its own container, which checks and reloads there."""
    pod.reload = f"touch:{STATE}/reload/nginx"
    pod.write_config()
    pod.site()
    pod.start_nginx(user="0", watch="/nginx-watch.sh")
    pod.start_certd()
    pod.certd.wait_until(lambda: bool(pod.served()), "the first certificate")
    before = pod.served()
    pod.certd.exec("certd", "renew", DOMAIN, "--force")
    assert pod.served() not in {"", before}
    answer = (pod.folder / "reload" / "nginx.result").read_text()
    assert answer.splitlines()[0].endswith(" 0")
    # What nginx's own check says of a broken configuration comes back, and nothing is reloaded.
    (pod.folder / "shared" / "sites" / "broken.conf").write_text("nonsense on;\n")
    pod.certd.exec("certd", "renew", DOMAIN, "--force", "--wait", "20s", code=None)
    answer = (pod.folder / "reload" / "nginx.result").read_text()
    assert answer.splitlines()[0].endswith(" 1")
    assert "nonsense" in answer
    assert pod.served()


def test_recreated_with_its_volume_it_orders_once(running: Pod) -> None:
    """A hundred containers, each with another host name, some killed in the middle: one order."""
    before = running.served()
    for number in range(RECREATED):
        if number % 2:
            podman("kill", running.certd.name, code=None)
        running.certd.remove()
        running.start_certd(options=("--pid", f"container:{running.nginx.name}"))
        if number % 10 == 0:
            running.certd.wait_until(running.is_calm, "its look")
    running.certd.wait_until(running.is_calm, "its last look")
    assert running.issued() == 1
    assert running.served() == before


def test_without_its_volume_it_adopts_what_is_published(running: Pod) -> None:
    """Store, seal key and account are gone; what nginx serves lies on the shared volume and is taken in: no order."""
    before = running.served()
    running.certd.remove()
    shutil.rmtree(running.folder / "state" / "private")
    running.start_certd(options=("--pid", f"container:{running.nginx.name}"))
    running.certd.wait_until(lambda: "adopted" in running.certd.logs(), "adoption")
    running.certd.wait_until(running.is_calm, "its look")
    time.sleep(3)
    assert running.issued() == 1
    assert running.served() == before


def test_publish_as_an_init_container(running: Pod) -> None:
    """The pod is new, its volume is not: nginx starts with the real certificate before certd does."""
    before = running.served()
    running.stop()
    shutil.rmtree(running.folder / "public")
    (running.folder / "public").mkdir()
    os.chown(running.folder / "public", USER, USER)
    said = running.once("publish")
    assert f"{DOMAIN}  nginx  20" in said
    running.start_nginx()
    running.nginx.wait_until(lambda: running.served() == before, "nginx")
    assert running.issued() == 1


def test_a_changed_config_map_is_noticed(pod: Pod) -> None:
    """The kubelet moves ``..data``; nobody sends a signal."""
    config = pod.folder / "config"
    text = (config / "certd.toml").read_text()
    for name, content in (("..1", text), ("..2", text.replace('esp = "stand-in"', 'esp = "none"'))):
        (config / name).mkdir()
        (config / name / "certd.toml").write_text(content)
        os.utime(config / name / "certd.toml", (1, 1))
    (config / "certd.toml").unlink()
    (config / "..data").symlink_to("..1")
    (config / "certd.toml").symlink_to("..data/certd.toml")
    pod.start_certd()
    pod.certd.wait_until(lambda: "ready" in pod.certd.logs(), "ready")
    (config / "..new").symlink_to("..2")
    os.rename(config / "..new", config / "..data")
    pod.certd.wait_until(lambda: "configuration read again" in pod.certd.logs(), "the new one")

"""The files under ``config/`` for containers: what they name is there, and what they promise stands in them."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped, unused-ignore]

from certd.config.choices import known_choices
from certd.config.loader import load
from certd.targets.touch_protocol import Stamp

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config"
COMPOSE = ("compose.yaml", "compose-caddy.yaml")
CONTAINERFILE = (ROOT / "Containerfile").read_text()


def documents(name: str) -> list[dict[str, Any]]:
    """Every document of a file."""
    return list(yaml.safe_load_all((CONFIG / name).read_text()))


@pytest.mark.parametrize("name", COMPOSE)
def test_compose_files_hang_together(name: str) -> None:
    """Each volume is declared and used; certd is closed, its state on a volume that stays; the proxy waits for it."""
    (document,) = documents(name)
    services, volumes = document["services"], set(document["volumes"])
    mounted = [mount.split(":") for service in services.values() for mount in service["volumes"]]
    assert {source for source, *_ in mounted if not source.startswith(".")} == volumes
    certd = services.pop("certd")
    assert certd["read_only"] is True
    assert certd["cap_drop"] == ["ALL"]
    assert "state:/var/lib/certd" in certd["volumes"]
    (proxy,) = services.values()
    assert proxy["depends_on"] == {"certd": {"condition": "service_healthy"}}
    assert "public:/var/lib/certd/public:ro" in proxy["volumes"]
    assert not any(mount.startswith("state:") for mount in proxy["volumes"])
    # A new volume takes its owner from the folder of the image that it is mounted over; where there is none, Docker
    # gives it to root, and nobody here is root.
    ours = " ".join(line for line in CONTAINERFILE.splitlines() if "-o 65532 -g 65532" in line).split()
    assert {mount.split(":")[1] for mount in certd["volumes"] if not mount.startswith(".")} <= set(ours)
    assert (CONFIG / certd["build"]["context"] / certd["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("name", COMPOSE)
def test_what_compose_says_of_certd_toml_is_a_configuration(name: str, tmp_path: Path) -> None:
    """The tables in its comment, in the smallest file, are judged as ``certd config check`` judges them."""
    text = (CONFIG / name).read_text()
    said = re.sub(r"^#   ?", "", "\n".join(re.findall(r"^#   (?=\[|\w+ =).*", text, re.MULTILINE)), flags=re.MULTILINE)
    proxy = "caddy" if "caddy" in name else "nginx"
    rest = '[issuer.letsencrypt]\nterms_agreed = true\n[dns.x]\nprovider = "exec"\nstyle = "lego"\ncommand = ["/x"]\n'
    path = tmp_path / "certd.toml"
    path.write_text(f'{said}\n{rest}[[link]]\ndomain = "link.example.com"\nproxy = "{proxy}"\n')
    settings = load(path, known_choices())
    assert settings.node == "edge"
    assert list(settings.proxies) == [proxy]


def test_the_kubernetes_example_hangs_together(tmp_path: Path) -> None:
    """Mounts name volumes, probes name ports, the state is a claim, and the configuration is one."""
    config, work = documents("kubernetes.yaml")
    assert "emptyDir" not in (CONFIG / "kubernetes.yaml").read_text()
    path = tmp_path / "certd.toml"
    path.write_text(config["data"]["certd.toml"])
    settings = load(path, known_choices(), {"POD": "links-0"})
    assert settings.node == "links-0"
    spec = work["spec"]["template"]["spec"]
    claims = {claim["metadata"]["name"] for claim in work["spec"]["volumeClaimTemplates"]}
    volumes = {volume["name"] for volume in spec["volumes"]} | claims
    containers = {each["name"]: each for each in [*spec["initContainers"], *spec["containers"]]}
    assert set(containers) == {"publish", "certd", "nginx"}
    for container in containers.values():
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    assert claims == {"state"}
    for name in ("publish", "certd"):
        context = containers[name]["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert f"{context['runAsUser']}:{context['runAsGroup']}" in CONTAINERFILE
    assert containers["publish"]["args"] == ["publish"]
    certd = containers["certd"]
    ports = {port["name"]: port["containerPort"] for port in certd["ports"]}
    assert settings.listen.endswith(f":{ports[certd['livenessProbe']['httpGet']['port']]}")
    assert certd["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert certd["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert work["spec"]["template"]["metadata"]["labels"] == work["spec"]["selector"]["matchLabels"]
    # nginx sees two folders of the state, and not the store.
    assert {mount.get("subPath") for mount in containers["nginx"]["volumeMounts"] if mount["name"] == "state"} == {
        "public",
        "reload",
    }


def test_the_containerfile_promises() -> None:
    """Two stages, a base that is an argument, no root, one volume, a health check."""
    assert CONTAINERFILE.count("\nFROM ${BASE}") == 2
    assert "ARG BASE=" in CONTAINERFILE
    assert "USER 65532:65532" in CONTAINERFILE
    assert re.findall(r"^VOLUME (.*)$", CONTAINERFILE, re.MULTILINE) == ["/var/lib/certd"]
    assert "HEALTHCHECK" in CONTAINERFILE
    assert "--require-hashes" in CONTAINERFILE


@pytest.fixture
def watcher(tmp_path: Path) -> Any:
    """The watcher beside a program called nginx that does as a file says."""
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "nginx"
    fake.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\ncat {tmp_path}/says >&2\nexit $(cat {tmp_path}/code)\n')
    fake.chmod(0o755)
    (tmp_path / "code").write_text("0")
    (tmp_path / "says").write_text("")
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "CERTD_STAMP": str(tmp_path / "stamp")}
    text = f". {CONFIG / 'nginx-watch.sh'}; wait"
    process = subprocess.Popen(["sh", "-c", text], env=environment, start_new_session=True)
    yield tmp_path
    os.killpg(process.pid, 9)
    process.wait()


def test_the_watcher_answers_certd(watcher: Path) -> None:
    """The shell's side of the protocol and certd's: yes, no with the words, and yes again."""
    stamp = Stamp(str(watcher / "stamp"), silence=Stamp("").deadline)
    assert stamp.ask().verdict.name == "YES"
    assert (watcher / "asked").read_text().split("\n")[:2] == ["-t -q", "-s reload"]
    (watcher / "code").write_text("3")
    (watcher / "says").write_text("unknown directive")
    refused = stamp.ask()
    assert (refused.verdict.name, refused.words) == ("NO", "unknown directive")
    (watcher / "code").write_text("0")
    assert stamp.ask().verdict.name == "YES"


def test_the_watcher_runs_nothing_that_it_reads(watcher: Path) -> None:
    """A stamp that is no question asks for nothing."""
    for text in ("$(touch " + str(watcher) + "/owned)", "; reboot", "DEADBEEF" * 4, "-n", "a\\b"):
        (watcher / "stamp").write_text(text + "\n")
        time.sleep(1.2)
    assert not (watcher / "owned").exists()
    assert not (watcher / "asked").exists()
    assert Stamp(str(watcher / "stamp"), silence=Stamp("").deadline).ask().verdict.name == "YES"


def test_the_watcher_writes_through_no_link(watcher: Path) -> None:
    """It runs as root where certd's user owns the folder: links in the places of its files change nothing elsewhere."""
    victim, folder = watcher / "victim", watcher / "folder"
    victim.write_text("precious")
    folder.mkdir()
    (watcher / "stamp.result.new").symlink_to(victim)
    (watcher / "stamp.result").symlink_to(folder)
    assert Stamp(str(watcher / "stamp"), silence=Stamp("").deadline).ask().verdict.name == "YES"
    assert victim.read_text() == "precious"
    assert list(folder.iterdir()) == []
    assert not (watcher / "stamp.result").is_symlink()
    assert [path.name for path in watcher.glob("stamp.*-*")] == []


def test_the_watcher_reads_no_fifo(watcher: Path) -> None:
    """A FIFO in the stamp's place does not hold it up: it answers as soon as a file is there again."""
    os.mkfifo(watcher / "stamp")
    time.sleep(2.5)
    (watcher / "stamp").unlink()
    assert Stamp(str(watcher / "stamp"), silence=Stamp("").deadline).ask().verdict.name == "YES"

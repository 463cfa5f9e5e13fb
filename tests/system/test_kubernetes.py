"""``config/kubernetes.yaml``, played by podman: its pod, its claim, its ConfigMaps, its secret, its probes."""

from __future__ import annotations

import base64
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped, unused-ignore]

from tests.lab.clicker import Click, click
from tests.system.outside import DOMAIN, Outside, make_images
from tests.system.podman import LIMITS, podman
from tests.system.wheels import ROOT

FILE = ROOT / "config" / "kubernetes.yaml"
CLAIM = "state-links-0"
POD = "links-0"

OWN_ADDRESS = """
import socket
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
probe.connect(("192.0.2.53", 9))
print(probe.getsockname()[0])
"""


class Kubelet:
    """What Kubernetes does with the file and podman does not: a StatefulSet's pod and claim, ``fsGroup`` on the volume,
    ``subPath``, and asking the probes.
    """

    def __init__(self, folder: Path, outside: Outside) -> None:
        self.folder = folder
        self.outside = outside
        config, self.work = yaml.safe_load_all(FILE.read_text())
        config["data"] = {"certd.toml": outside.directed(config["data"]["certd.toml"]), **outside.files()}
        template = self.work["spec"]["template"]
        self.spec: dict[str, Any] = template["spec"]
        token = base64.b64encode(outside.cloudflare.token.encode()).decode()
        self.maps: dict[str, dict[str, str]] = {"certd": config["data"]}
        self.secret = _named("Secret", "certd-secrets", data={"token": token})
        (claim,) = self.work["spec"]["volumeClaimTemplates"]
        assert claim["metadata"]["name"] == "state"
        self.pod = _named("Pod", POD, spec=self.spec)
        self.pod["metadata"]["labels"] = template["metadata"]["labels"]
        # "Always" would have podman 4.3 start the init container again after it is done.
        self.spec["restartPolicy"] = "OnFailure"
        self.spec["volumes"].append({"name": "state", "persistentVolumeClaim": {"claimName": CLAIM}})
        for volume in self.spec["volumes"]:
            # What is left out means false; podman 4.3 dies of it (a nil pointer).
            for kind in ("configMap", "secret"):
                if kind in volume:
                    volume[kind]["optional"] = False

    def make_volume(self) -> None:
        """Empty, and its group's by ``fsGroup``; nothing of the image is copied into it, as podman alone would do."""
        podman("volume", "create", CLAIM)
        group = self.spec["securityContext"]["fsGroup"]
        os.chown(self.volume, 0, group)
        self.volume.chmod(0o2775)

    @property
    def volume(self) -> Path:
        """Where it lies here."""
        return _place(CLAIM)

    def certd_says(self, *command: str) -> str:
        """A command of certd's on the operator's machine, with the same configuration."""
        here = self.folder / "operator"
        here.mkdir(exist_ok=True)
        for name, text in self.maps["certd"].items():
            (here / name).write_text(text)
        mounts = ("-v", f"{here}:/etc/certd:ro", "-e", f"POD={POD}")
        return podman("run", "--rm", "--network", "host", *LIMITS, *mounts, "certd", *command)

    def publish(self) -> str:
        """The init container alone, to its end, by a pod of the same words; podman looks for the folders of a subPath
        before it starts anything, the kubelet when a container starts.
        """
        (init,) = self.spec["initContainers"]
        pod = _named(
            "Pod",
            "first",
            spec={
                "containers": [init],
                "volumes": self.spec["volumes"],
                "restartPolicy": "Never",
            },
        )
        # Its name is the pod's to be.
        init = {**init, "env": [{"name": "POD", "value": POD}]}
        pod["spec"]["containers"] = [init]
        self._play(pod, "first")
        name = f"first-{init['name']}"
        assert podman("wait", name).strip() == "0", podman("logs", name, code=None)
        said = podman("logs", name, code=None)
        # podman 4.3 does not decode what a secret says; what it made of it is the token.
        self.outside.cloudflare.token = (_place("certd-secrets") / "token").read_text()
        podman("pod", "rm", "-f", "first")
        return said

    def start(self) -> None:
        """The whole pod."""
        pod = yaml.safe_load(yaml.safe_dump(self.pod))
        paths: dict[str, str] = {}
        for container in pod["spec"]["containers"]:
            for mount in container["volumeMounts"]:
                path = mount.get("subPath")
                if path and mount["name"] == "state":
                    # The kubelet makes a missing one with the volume's own mode.
                    folder = self.volume / path
                    if not folder.exists():
                        folder.mkdir()
                        folder.chmod(0o2775)
                    del mount["subPath"]
                    mount["name"] = f"state-{path}"
                    paths[mount["name"]] = str(folder)
                elif path:
                    # One file of a ConfigMap: podman mounts whole ones.
                    del mount["subPath"]
                    source = self.folder / path
                    source.write_text(self.maps[mount["name"].replace("watch", "nginx-watch")][path])
                    source.chmod(self._mode(mount["name"]))
                    mount["name"] = f"file-{mount['name']}"
                    paths[mount["name"]] = str(source)
        pod["spec"]["volumes"] += [{"name": name, "hostPath": {"path": path}} for name, path in paths.items()]
        self._play(pod, POD)

    def _mode(self, volume: str) -> int:
        (mode,) = [each["configMap"]["defaultMode"] for each in self.spec["volumes"] if each["name"] == volume]
        return int(mode)

    def _play(self, pod: dict[str, Any], name: str) -> None:
        maps = [_named("ConfigMap", each, data=data) for each, data in self.maps.items()]
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump_all([*maps, self.secret, pod]))
        podman("secret", "rm", "certd-secrets", code=None)
        podman("volume", "rm", "-f", *self.maps, "certd-secrets", code=None)
        podman("kube", "play", str(path))

    def probe(self, container: str, kind: str) -> int:
        """Ask as the file says; the status, or 0 where nothing answers."""
        (asked,) = [each for each in self.spec["containers"] if each["name"] == container]
        get, ports = asked[kind]["httpGet"], {port["name"]: port["containerPort"] for port in asked["ports"]}
        url = f"http://{self.address}:{ports[get['port']]}{get['path']}"
        try:
            with urllib.request.urlopen(url, timeout=asked[kind]["timeoutSeconds"]) as answer:
                return int(answer.status)
        except OSError:
            return 0

    def wait_until(self, holds: Callable[[], object], what: str, seconds: float = 90) -> None:
        """Until it holds; the deadline shows what the containers said."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                said = "\n".join(podman("logs", f"{POD}-{name}", code=None)[-4000:] for name in ("certd", "nginx"))
                raise AssertionError(f"{what}: not within {seconds} s\n{said}")
            time.sleep(0.3)

    def served(self) -> str:
        """What a click gets, by fingerprint; empty while clients trust nothing."""
        return self.click().fingerprint

    def click(self) -> Click:
        """Somebody reads a mail."""
        return click(443, DOMAIN, self.outside.roots, host=self.address)

    @property
    def address(self) -> str:
        """The pod's, one for both containers."""
        return podman("exec", f"{POD}-certd", "python3", "-c", OWN_ADDRESS).strip()

    def remove(self, *, volume: bool = False) -> None:
        """The pod is gone; its claim stays."""
        podman("pod", "rm", "-f", "-i", "-t", "20", POD, "first")
        if volume:
            podman("volume", "rm", "-f", CLAIM, code=None)


def _named(kind: str, name: str, **rest: Any) -> dict[str, Any]:
    version = "v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **rest}


def _place(volume: str) -> Path:
    return Path(podman("volume", "inspect", volume, "-f", "{{.Mountpoint}}").strip())


@pytest.fixture
def kubelet(short_path: Path) -> Iterator[Kubelet]:
    make_images(short_path / "images")
    with Outside(short_path) as outside:
        made = Kubelet(short_path, outside)
        made.remove(volume=True)
        made.make_volume()
        # What the comment of the file has kubectl make.
        made.maps["nginx-link"] = {"link.conf": made.certd_says("proxy-config", DOMAIN)}
        made.maps["nginx-watch"] = {"nginx-watch.sh": (ROOT / "config" / "nginx-watch.sh").read_text()}
        try:
            yield made
        finally:
            made.remove(volume=True)


def test_the_pod_of_the_example(kubelet: Kubelet) -> None:
    """From an empty claim: ``publish`` lets nginx start, certd obtains what is served, both probes are answered, a
    renewal goes through the watcher, nginx sees neither store nor keys; the next pod of that name goes on with the same
    certificate and orders nothing.
    """
    said = kubelet.publish()
    assert DOMAIN in said
    assert kubelet.outside.issued == 0
    kubelet.start()
    kubelet.wait_until(kubelet.served, "the first certificate")
    first = kubelet.served()
    assert kubelet.click().trouble == ""
    kubelet.wait_until(lambda: kubelet.probe("certd", "readinessProbe") == 200, "readiness")
    assert kubelet.probe("certd", "livenessProbe") == 200
    podman("exec", f"{POD}-certd", "certd", "renew", DOMAIN, "--force")
    second = kubelet.served()
    assert second not in {"", first}
    assert (kubelet.volume / "reload" / "nginx.result").read_text().split("\n")[0].endswith(" 0")
    assert sorted(podman("exec", f"{POD}-nginx", "ls", "/var/lib/certd").split()) == ["public", "reload"]
    assert not [values for values in kubelet.outside.cloudflare.values.values() if values]

    kubelet.remove()
    kubelet.start()
    kubelet.wait_until(kubelet.served, "what was served before")
    assert kubelet.served() == second
    kubelet.wait_until(lambda: "ready" in podman("logs", f"{POD}-certd", code=None), "certd")
    status = ("exec", f"{POD}-certd", "certd", "status", "--json")
    kubelet.wait_until(lambda: '"state": "served"' in podman(*status, code=None), "its look")
    assert kubelet.outside.issued == 2
    podman("stop", "-t", str(kubelet.spec["terminationGracePeriodSeconds"]), f"{POD}-certd")
    assert podman("inspect", "-f", "{{.State.ExitCode}}", f"{POD}-certd").strip() == "0"

"""What the examples under ``config/`` meet outside: Let's Encrypt, Cloudflare, SendGrid, the images of nginx and Caddy,
each played by something here, so that the files are run as they are.
"""

from __future__ import annotations

import shutil
import ssl
import subprocess
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType

import trustme

from tests.lab.esp import Esp
from tests.lab.pebble import Pebble
from tests.lab.txt_server import TxtServer
from tests.lab.vendors import Answer, FakeCloudflare
from tests.system.podman import BASE, IMAGE, PODMAN, environment, podman

DOMAIN = "link.example.com"
ZONE = "example.com"

# Of the network that the tests run in; containers with a network of their own reach it, too.
ADDRESS = "192.0.2.53"

# As the official images have it, as far as the examples use it.
ENTRYPOINT = r"""#!/bin/sh
find /docker-entrypoint.d/ -follow -type f -name "*.sh" | sort -V | while read -r each; do
    if [ -x "$each" ]; then "$each"; else echo "$each is not executable"; fi
done
exec "$@"
"""
NGINX = """FROM {base}
RUN rm -f /etc/nginx/sites-enabled/default && mkdir -p /docker-entrypoint.d
COPY --chmod=755 entrypoint.sh /docker-entrypoint.sh
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["nginx", "-g", "daemon off;"]
"""
CADDY = """FROM {base}
COPY --chmod=755 caddy /usr/bin/caddy
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
"""


def make_images(folder: Path) -> None:
    """certd's as it is built here, nginx's and Caddy's by the names of the official ones."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "entrypoint.sh").write_text(ENTRYPOINT)
    shutil.copy(shutil.which("caddy") or "", folder / "caddy")
    for name, text in (("library/nginx:stable", NGINX), ("library/caddy:2", CADDY)):
        (folder / "Containerfile").write_text(text.format(base=BASE))
        podman("build", "-q", "--format", "docker", "-t", f"docker.io/{name}", str(folder))
    podman("tag", IMAGE, "localhost/certd:latest")


class Cloudflare(FakeCloudflare):
    """What is written by its API is answered as DNS."""

    zone = ZONE
    host = ADDRESS

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        super().__init__()
        self.values = {}
        self.dns = TxtServer(ZONE, ADDRESS)

    def respond(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        before = {(name, value) for name, values in self.values.items() for value in values}
        answer = super().respond(request, body)
        after = {(name, value) for name, values in self.values.items() for value in values}
        for name, value in after - before:
            self.dns.add(name, value)
        for name, value in before - after:
            self.dns.remove(name, value)
        return answer


class Outside:
    """All of it, from ``with`` to its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(ADDRESS).configure_cert(context)
        self.bundle = authority.cert_pem.bytes().decode()
        self.cloudflare = Cloudflare(context)
        self.pebble = Pebble(folder / "pebble", dns=f"{ADDRESS}:{self.cloudflare.dns.port}", host=ADDRESS)
        self.esp = Esp(DOMAIN)

    def __enter__(self) -> Outside:
        self.cloudflare.__enter__()
        self.esp.start()
        self.pebble.start()
        return self

    @property
    def roots(self) -> str:
        """What clients trust."""
        return self.pebble.roots.read_text()

    @property
    def issued(self) -> int:
        """Certificates that the CA made."""
        return self.pebble.log().count("Issued certificate serial")

    def files(self) -> dict[str, str]:
        """What certd root_store, as it lies beside its configuration."""
        return {"pebble.pem": self.pebble.ca_file.read_text(), "roots.pem": self.roots, "cloudflare.pem": self.bundle}

    def directed(self, toml: str) -> str:
        """The same configuration, where each name that it uses is played by what runs here."""
        dns = f"{ADDRESS}:{self.cloudflare.dns.port}"
        added = {
            "[issuer.letsencrypt]": f'directory = "https://{ADDRESS}:{self.pebble.port}/dir"\n'
            'ca_file = "/etc/certd/pebble.pem"\nroots = "/etc/certd/roots.pem"',
            "[dns.cloudflare]": f'api = "{self.cloudflare.url}"',
        }
        for table, lines in added.items():
            assert toml.count(f"{table}\n") == 1, table
            toml = toml.replace(f"{table}\n", f"{table}\n{lines}\n")
        return toml + (
            f'\n[network]\nca_bundle = "/etc/certd/cloudflare.pem"\nresolvers = ["{dns}"]\n'
            f'name_servers = {{ "{ADDRESS}" = "{dns}" }}\n'
            f'[esp.sendgrid]\nupstream = "http://{ADDRESS}:{self.esp.port}"\n'
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pebble.stop()
        self.esp.stop()
        self.cloudflare.__exit__(None, None, None)
        with suppress(OSError):
            self.cloudflare.dns.close()


def tried(*argv: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    """Run something that calls podman, to its end."""
    return subprocess.run(argv, capture_output=True, text=True, timeout=seconds, env=environment())


def wrapper(folder: Path) -> Path:
    """A program called podman with the tests' own storage, for what calls podman."""
    path = folder / "podman"
    path.write_text(f'#!/bin/sh\nexec /usr/bin/{" ".join(PODMAN)} "$@"\n')
    path.chmod(0o755)
    return path

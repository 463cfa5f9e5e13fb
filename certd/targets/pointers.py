"""What a proxy reads to find its certificate: one file, replaced by rename, so that nothing between is ever seen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from certd.errors import TargetError

HEADER = "# Written by certd; changes are overwritten. Generation: {generation}\n"
_GENERATION = re.compile(r"^# Written by certd; .*Generation: (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a pointer points at.

    Attributes:
        folder: The generation's folder, as the proxy sees it.
        read: The text of one of its files.
    """

    link: str
    folder: str
    read: Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """How a kind of proxy is pointed at a generation.

    Attributes:
        suffix: Of the pointer's file.
        body: The lines after the header.
        by_name: Whether the proxy finds a combined file by the name asked for, too.
    """

    suffix: str
    body: Callable[[Source], str]
    by_name: bool = False

    def text(self, generation: str, source: Source) -> str:
        """The pointer's content."""
        return HEADER.format(generation=generation) + self.body(source)


def generation_in(text: str) -> str:
    """The generation that a pointer names. Raises TargetError."""
    found = _GENERATION.search(text)
    if found is None:
        raise TargetError("it is no pointer of certd's")
    return found[1]


def _nginx(source: Source) -> str:
    return f'ssl_certificate "{source.folder}/fullchain.pem";\nssl_certificate_key "{source.folder}/privkey.pem";\n'


def _haproxy(source: Source) -> str:
    """HAProxy reads one file; what stands outside of PEM's blocks is skipped."""
    return source.read("combined.pem")


def _caddy(source: Source) -> str:
    return f'tls "{source.folder}/fullchain.pem" "{source.folder}/privkey.pem"\n'


def _apache(source: Source) -> str:
    return f'SSLCertificateFile "{source.folder}/fullchain.pem"\nSSLCertificateKeyFile "{source.folder}/privkey.pem"\n'


def _traefik(source: Source) -> str:
    """The file's text changes with the generation, so that Traefik, which compares it, notices."""
    return (
        "tls:\n  certificates:\n"
        f"    - certFile: {json.dumps(source.folder + '/fullchain.pem')}\n"
        f"      keyFile: {json.dumps(source.folder + '/privkey.pem')}\n"
    )


def _envoy(source: Source) -> str:
    """A secret for the file-based secret discovery service (SDS); Envoy watches this file's folder for renames."""
    return (
        "resources:\n"
        '  - "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n'
        f"    name: {json.dumps(source.link)}\n"
        "    tls_certificate:\n"
        f"      certificate_chain: {{ filename: {json.dumps(source.folder + '/fullchain.pem')} }}\n"
        f"      private_key: {{ filename: {json.dumps(source.folder + '/privkey.pem')} }}\n"
    )


def _plain(source: Source) -> str:
    return f"{source.folder}\n"


POINTERS: Mapping[str, Pointer] = {
    "nginx": Pointer(suffix=".conf", body=_nginx),
    "nginx-variable": Pointer(suffix=".path", body=_plain, by_name=True),
    # Every file of the folder that does not begin with a dot is loaded.
    "haproxy": Pointer(suffix=".pem", body=_haproxy),
    "caddy": Pointer(suffix=".conf", body=_caddy),
    "apache": Pointer(suffix=".conf", body=_apache),
    "traefik": Pointer(suffix=".yml", body=_traefik),
    "envoy": Pointer(suffix=".yaml", body=_envoy),
    # For people and programs that read a path; what a proxy of this kind reads are the files under ``paths``.
    "files": Pointer(suffix=".path", body=_plain),
    # What was last brought to the provider.
    "acm": Pointer(suffix=".path", body=_plain),
}

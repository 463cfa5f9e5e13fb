"""What a proxy reads to find its certificate: one file, replaced by rename, so that nothing between is ever seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from certd.errors import TargetError

HEADER = "# Written by certd; changes are overwritten. Generation: {generation}\n"
_GENERATION = re.compile(r"^# Written by certd; .*Generation: (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """How a kind of proxy is pointed at a generation.

    Attributes:
        suffix: Of the pointer's file.
        body: From the generation's folder, as the proxy sees it, to the lines after the header.
    """

    suffix: str
    body: Callable[[str], str]

    def text(self, generation: str, folder: str) -> str:
        """The pointer's content."""
        return HEADER.format(generation=generation) + self.body(folder)


def generation_in(text: str) -> str:
    """The generation that a pointer names. Raises TargetError."""
    found = _GENERATION.search(text)
    if found is None:
        raise TargetError("it is no pointer of certd's")
    return found[1]


def _nginx(folder: str) -> str:
    return f'ssl_certificate "{folder}/fullchain.pem";\nssl_certificate_key "{folder}/privkey.pem";\n'


def _plain(folder: str) -> str:
    return f"{folder}\n"


POINTERS: Mapping[str, Pointer] = {
    "nginx": Pointer(suffix=".conf", body=_nginx),
    # For people and programs that read a path; what a proxy of this kind reads are the files under ``paths``.
    "files": Pointer(suffix=".path", body=_plain),
}

"""Any program that reads certificate and key at paths of its own: the files under ``paths``."""

from __future__ import annotations

from certd.targets.kind import ProxyKind
from certd.targets.pointers import Pointer, plain

KIND = ProxyKind(
    name="files",
    programs=(),
    check=(),
    # For people and programs that read a path; the program itself reads the files under ``paths``.
    pointer=Pointer(suffix=".path", body=plain),
    configuration=None,
)

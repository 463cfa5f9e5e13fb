"""Programs as operators have them: written for lego's exec provider, and for certbot's manual plugin. Both update a
BIND by ``nsupdate``.
"""

from __future__ import annotations

from pathlib import Path

from tests.lab.bind import Bind

LEGO = """#!/bin/sh
# $1 = present | cleanup, $2 = the name with its final dot, $3 = the value
case "$1" in
    present) change="update add $2 60 IN TXT \\"$3\\"" ;;
    cleanup) change="update delete $2 IN TXT \\"$3\\"" ;;
    *) echo "usage: $0 present|cleanup NAME VALUE" >&2; exit 2 ;;
esac
printf 'server 127.0.0.1 {port}\\nzone {zone}\\n%s\\nsend\\n' "$change" | nsupdate -k {key}
"""

AUTH = """#!/bin/sh
name="_acme-challenge.$CERTBOT_DOMAIN."
printf 'server 127.0.0.1 {port}\\nzone {zone}\\nupdate add %s 60 IN TXT "%s"\\nsend\\n' \\
    "$name" "$CERTBOT_VALIDATION" | nsupdate -k {key} || exit 1
echo "added $CERTBOT_VALIDATION"
"""

CLEANUP = """#!/bin/sh
name="_acme-challenge.$CERTBOT_DOMAIN."
case "$CERTBOT_AUTH_OUTPUT" in "" | "added $CERTBOT_VALIDATION") ;; *) echo "a strange output" >&2; exit 1 ;; esac
printf 'server 127.0.0.1 {port}\\nzone {zone}\\nupdate delete %s IN TXT "%s"\\nsend\\n' \\
    "$name" "$CERTBOT_VALIDATION" | nsupdate -k {key}
"""


def _write(folder: Path, bind: Bind, **programs: str) -> list[Path]:
    key = folder / "update.key"
    key.write_text(bind.key())
    made = []
    for name, text in programs.items():
        path = folder / name
        path.write_text(text.format(port=bind.port, zone=next(iter(bind.zones)), key=key))
        path.chmod(0o755)
        made.append(path)
    return made


def lego_program(folder: Path, bind: Bind) -> Path:
    """For lego's exec provider."""
    return _write(folder, bind, lego=LEGO)[0]


def certbot_hooks(folder: Path, bind: Bind) -> tuple[Path, Path]:
    """``--manual-auth-hook`` and ``--manual-cleanup-hook``."""
    auth, cleanup = _write(folder, bind, auth=AUTH, cleanup=CLEANUP)
    return auth, cleanup

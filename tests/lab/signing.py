"""Zones signed by BIND's own tools, well or badly."""

from __future__ import annotations

import subprocess
from pathlib import Path


def signed_zone(folder: Path, name: str, records: str, *, expired: bool = False) -> tuple[Path, str]:
    """Sign a zone.

    Args:
        records: Below the SOA, in master file form.
        expired: The signatures ended a week ago; resolvers forgive a day.

    Returns:
        The signed file, and the DNSKEY record of its key-signing key.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keys = []
    for flags in ((), ("-f", "KSK")):
        argv = ["dnssec-keygen", "-q", "-K", str(folder), "-a", "ECDSAP256SHA256", *flags, name]
        keys.append(subprocess.run(argv, check=True, capture_output=True, text=True, timeout=20).stdout.strip())
    text = f"$TTL 5\n@ IN SOA ns1.{name}. hostmaster.{name}. 1 60 60 3600 1\n{records}\n"
    public = [(folder / f"{key}.key").read_text() for key in keys]
    plain, made = folder / f"{name}.plain", folder / f"{name}.signed"
    plain.write_text(text + "\n".join(public))
    span = ["-s", "now-1209600", "-e", "now-604800"] if expired else ["-e", "now+864000"]
    argv = ["dnssec-signzone", "-q", "-P", "-K", str(folder), "-o", name, "-f", str(made), *span, str(plain), *keys]
    subprocess.run(argv, check=True, capture_output=True, timeout=20, cwd=folder)
    lines = [line for line in public[1].splitlines() if not line.startswith(";")]
    return made, " ".join(lines[-1].split())

"""Folders as other ACME clients leave them, made by their documented layouts around a certificate."""

from __future__ import annotations

import base64
import json
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.jwk import JWKRSA

from tests.lab.bought import buy

SERVER = "https://acme-v02.api.letsencrypt.org/directory"
ACCOUNT = "https://acme-v02.api.letsencrypt.org/acme/acct/4711"


@dataclass(frozen=True, slots=True)
class Made:
    """A folder, and the root that its certificates lead to."""

    folder: Path
    root_pem: str


def digest(folder: Path) -> str:
    """Everything about a folder that anybody could have changed."""
    seen = sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        seen.update(f"{path} {stat.S_IMODE(status.st_mode)} {status.st_mtime_ns} {status.st_uid}".encode())
        seen.update(path.read_bytes() if path.is_file() else b"")
    return seen.hexdigest()


def account_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


def certbot(folder: Path, domain: str, parameters: dict[str, str]) -> Made:
    """As certbot 2 leaves it: numbered files in archive, links in live, an RSA account."""
    bought = buy(folder.parent / f"bought-{folder.name}", domain, days=60)
    archive, live = folder / "archive" / domain, folder / "live" / domain
    for path in (archive, live, folder / "renewal", folder / "renewal-hooks" / "deploy"):
        path.mkdir(parents=True)
    for name, source in (("fullchain", bought.chain), ("privkey", bought.key)):
        (archive / f"{name}1.pem").write_bytes(source.read_bytes())
        (live / f"{name}.pem").symlink_to(f"../../archive/{domain}/{name}1.pem")
    said = {"account": "0123abcd", "server": SERVER, "key_type": "ecdsa"} | parameters
    lines = [f"fullchain = {live}/fullchain.pem", "# Options used in the renewal process", "[renewalparams]"]
    (folder / "renewal" / f"{domain}.conf").write_text("\n".join([*lines, *(f"{a} = {b}" for a, b in said.items())]))
    inside = folder / "accounts" / SERVER.removeprefix("https://") / "0123abcd"
    inside.mkdir(parents=True)
    key = rsa.generate_private_key(65537, 2048)
    (inside / "private_key.json").write_text(json.dumps(JWKRSA(key=key).to_json()))
    (inside / "regr.json").write_text(json.dumps({"body": {}, "uri": ACCOUNT}))
    return Made(folder, bought.root_pem)


def lego(folder: Path, domain: str) -> Made:
    """As lego 4 leaves it."""
    bought = buy(folder.parent / "bought-lego", domain, days=60)
    (folder / "certificates").mkdir(parents=True)
    stem = folder / "certificates" / domain
    Path(f"{stem}.crt").write_bytes(bought.chain.read_bytes())
    Path(f"{stem}.issuer.crt").write_text("not looked at")
    Path(f"{stem}.key").write_bytes(bought.key.read_bytes())
    url = "https://acme-v02.api.letsencrypt.org/acme/cert/1"
    Path(f"{stem}.json").write_text(json.dumps({"domain": domain, "certUrl": url, "certStableUrl": url}))
    inside = folder / "accounts" / "acme-v02.api.letsencrypt.org" / "me@example.com"
    (inside / "keys").mkdir(parents=True)
    (inside / "keys" / "me@example.com.key").write_text(account_pem())
    body = {"email": "me@example.com", "registration": {"body": {"status": "valid"}, "uri": ACCOUNT}}
    (inside / "account.json").write_text(json.dumps(body))
    return Made(folder, bought.root_pem)


def acme_sh(folder: Path, domain: str) -> Made:
    """As acme.sh 3 leaves it."""
    bought = buy(folder.parent / "bought-acme-sh", domain, days=60)
    inside = folder / f"{domain}_ecc"
    inside.mkdir(parents=True)
    (inside / "fullchain.cer").write_bytes(bought.chain.read_bytes())
    (inside / f"{domain}.key").write_bytes(bought.key.read_bytes())
    command = base64.b64encode(b"systemctl reload nginx").decode()
    (inside / f"{domain}.conf").write_text(
        f"Le_Domain='{domain}'\nLe_Alt='no'\nLe_Webroot='dns_cf'\nLe_API='{SERVER}'\nLe_Keylength='ec-256'\n"
        f"Le_ReloadCmd='__ACME_BASE64__START_{command}__ACME_BASE64__END_'\n"
    )
    (folder / "account.conf").write_text("SAVED_CF_Token='s3cret-token'\n")
    authority = folder / "ca" / "acme-v02.api.letsencrypt.org" / "directory"
    authority.mkdir(parents=True)
    (authority / "account.key").write_text(account_pem())
    (authority / "ca.conf").write_text(f"ACCOUNT_URL='{ACCOUNT}'\nCA_EMAIL='me@example.com'\n")
    return Made(folder, bought.root_pem)


def caddy(folder: Path, domain: str) -> Made:
    """As Caddy 2 leaves it."""
    bought = buy(folder.parent / "bought-caddy", domain, days=60)
    name = "acme-v02.api.letsencrypt.org-directory"
    inside = folder / "certificates" / name / domain
    inside.mkdir(parents=True)
    (inside / f"{domain}.crt").write_bytes(bought.chain.read_bytes())
    (inside / f"{domain}.key").write_bytes(bought.key.read_bytes())
    (inside / f"{domain}.json").write_text(json.dumps({"sans": [domain], "issuer_data": {"ca": SERVER}}))
    user = folder / "acme" / name / "users" / "default"
    user.mkdir(parents=True)
    (user / "default.key").write_text(account_pem())
    (user / "default.json").write_text(json.dumps({"status": "valid", "location": ACCOUNT}))
    return Made(folder, bought.root_pem)

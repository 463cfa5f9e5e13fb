"""TSIG keys (RFC 8945) as operators have them: BIND's key file, or ``name:algorithm:secret``."""

from __future__ import annotations

import base64
import binascii
import re

import dns.name
import dns.tsig

from certd.dns.messages import parse_message
from certd.dns.names import display_name
from certd.errors import DnsRefused
from certd.model import Secret

_COMMENT = re.compile(r"/\*.*?\*/|(?://|#)[^\n]*", re.DOTALL)
_CLAUSE = re.compile(r'\bkey\s+"?([^\s"{;]+)"?\s*\{(.*?)\}\s*;?', re.DOTALL)
_ALGORITHM = re.compile(r'\balgorithm\s+"?([A-Za-z0-9.-]+)"?\s*;')
_SECRET = re.compile(r'\bsecret\s+"?([A-Za-z0-9+/=\s]+?)"?\s*;')

_ALGORITHMS = {
    "hmac-md5": dns.tsig.HMAC_MD5,
    "hmac-md5.sig-alg.reg.int": dns.tsig.HMAC_MD5,
    "hmac-sha1": dns.tsig.HMAC_SHA1,
    "hmac-sha224": dns.tsig.HMAC_SHA224,
    "hmac-sha256": dns.tsig.HMAC_SHA256,
    "hmac-sha384": dns.tsig.HMAC_SHA384,
    "hmac-sha512": dns.tsig.HMAC_SHA512,
}

# RFC 8945 section 6: MD5 is not to be used, SHA-1 is not recommended.
_WEAK = frozenset({dns.tsig.HMAC_MD5, dns.tsig.HMAC_SHA1})

_FORMS = 'write it as "tsig-keygen" prints it, or as name:algorithm:secret'


def tsig_key(secret: Secret, where: str) -> dns.tsig.Key:
    """The key in a secret's text. What is wrong is said without showing any of it.

    Args:
        where: The secret's key path, such as ``dns.corp.tsig``, for the sentence.

    Raises:
        DnsRefused: it is no TSIG key, or more than one.
    """
    text = secret.reveal().strip()
    name, algorithm, encoded = _from_clause(text, where) if "{" in text else _from_colons(text, where)
    known = _ALGORITHMS.get(algorithm.lower().rstrip("."))
    if known is None:
        choices = ", ".join(each for each in _ALGORITHMS if "." not in each)
        raise DnsRefused(f'{where}: "{display_name(algorithm)}" is no TSIG algorithm', hint=f"one of {choices}")
    try:
        raw = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise DnsRefused(f"{where}: the secret is not base64", hint=_FORMS) from None
    if not raw:
        raise DnsRefused(f"{where}: the secret is empty", hint=_FORMS)
    return dns.tsig.Key(parse_message(name), raw, known)


def weakness_of(key: dns.tsig.Key) -> str:
    """Why a key should be replaced, in words; empty where it need not be."""
    algorithm = str(key.algorithm).partition(".")[0].lower()
    return f"its algorithm, {algorithm}, is weak" if key.algorithm in _WEAK else ""


def _from_clause(text: str, where: str) -> tuple[str, str, str]:
    clauses = _CLAUSE.findall(_without_comments(text))
    if len(clauses) != 1:
        count = "no" if not clauses else str(len(clauses))
        raise DnsRefused(f"{where}: {count} key clauses in it, expected one", hint=_FORMS)
    name, body = clauses[0]
    algorithm, secret = _ALGORITHM.search(body), _SECRET.search(body)
    if algorithm is None or secret is None:
        lacking = "algorithm" if algorithm is None else "secret"
        raise DnsRefused(f"{where}: the key clause has no {lacking}", hint=_FORMS)
    return name, algorithm[1], secret[1]


def _from_colons(text: str, where: str) -> tuple[str, str, str]:
    parts = text.split(":")
    if len(parts) != 3 or not all(parts):
        raise DnsRefused(f"{where}: is no TSIG key", hint=_FORMS)
    return parts[0].strip(), parts[1].strip(), parts[2]


def _without_comments(text: str) -> str:
    """BIND's comments taken out, quoted texts left whole: a base64 secret may contain ``//``."""
    pieces = re.split(r'("[^"\n]*")', text)
    return "".join(piece if piece.startswith('"') else _COMMENT.sub(" ", piece) for piece in pieces)

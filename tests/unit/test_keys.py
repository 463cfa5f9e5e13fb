"""Private keys, and the requests made from them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from certd.errors import GateRefused
from certd.model import KeyType, Secret
from certd.pki.keys import csr_der, key_type_of, load_key, make_key
from tests.lab.authority import armoured

KEY = make_key("ecdsa-p256")


def pem_of(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, password: bytes = b"") -> str:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode()


def with_octets(old: str, new: str) -> str:
    """A key that names an algorithm or a curve that nobody has."""
    der = load_key(KEY).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert bytes.fromhex(old) in der
    return armoured("PRIVATE KEY", der.replace(bytes.fromhex(old), bytes.fromhex(new)))


@pytest.mark.parametrize("kind", [KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.RSA_2048, KeyType.RSA_3072])
def test_a_key_is_of_the_type_that_was_asked_for(kind: KeyType) -> None:
    """What is made is what is read again, as PKCS#8."""
    made = make_key(kind)
    assert key_type_of(made) == kind.value
    assert made.reveal().startswith("-----BEGIN PRIVATE KEY-----\n")


def test_no_two_keys_are_the_same() -> None:
    """A key is made anew each time."""
    assert make_key("ecdsa-p256") != make_key("ecdsa-p256")


def test_an_unknown_type_is_a_mistake_of_ours() -> None:
    """The configuration knows the words; nothing is made of another one."""
    with pytest.raises(ValueError, match="rsa-1024"):
        make_key("rsa-1024")


def test_a_key_does_not_print() -> None:
    """Neither as text nor inside anything that prints."""
    assert "PRIVATE" not in f"{KEY} {KEY!r} {[KEY]} {KEY:>40}"


REFUSED: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "rubbish": lambda: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "cut off": lambda: KEY.reveal()[:-60],
    "a passphrase": lambda: pem_of(ec.generate_private_key(ec.SECP256R1()), b"secret"),
    "Ed25519": lambda: pem_of(ed25519.Ed25519PrivateKey.generate()),
    "an unknown algorithm": lambda: with_octets("2a8648ce3d0201", "2a8648ce3d0207"),
    "an unknown curve": lambda: with_octets("2a8648ce3d030107", "2a8648ce3d03017f"),
    "bytes that were no text": lambda: KEY.reveal() + "\udc80",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_key_for_a_certificate_is_refused(name: str) -> None:
    """In words that quote nothing of it."""
    pem = REFUSED[name]()
    with pytest.raises(GateRefused, match="the private key is n") as refused:
        load_key(Secret(pem))
    assert not any(line in str(refused.value) for line in pem.splitlines() if len(line) > 20)


def test_keys_that_other_programs_wrote_are_read() -> None:
    """OpenSSL's traditional form, with the curve's parameters before it, or after its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    traditional = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    for text in (traditional, parameters + traditional, traditional.replace("\n", "\r\n")):
        assert key_type_of(Secret(text)) == "ecdsa-p256"


def test_a_kind_that_certd_does_not_offer_has_a_name_all_the_same() -> None:
    """An adopted certificate may have a key that certd would not make."""
    assert key_type_of(Secret(pem_of(ec.generate_private_key(ec.SECP521R1())))) == "secp521r1"


@pytest.mark.parametrize("kind", ["ecdsa-p384", "rsa-2048"])
def test_a_request_holds_the_names_and_nothing_else(kind: str) -> None:
    """Empty subject, the names in their order, signed by the key."""
    key = make_key(kind)
    request = x509.load_der_x509_csr(csr_der(key, ["b.example.com", "*.example.com"]))
    assert request.is_signature_valid
    assert request.public_key() == load_key(key).public_key()
    assert not request.subject.rdns
    (extension,) = request.extensions
    assert isinstance(extension.value, x509.SubjectAlternativeName)
    assert extension.value.get_values_for_type(x509.DNSName) == ["b.example.com", "*.example.com"]

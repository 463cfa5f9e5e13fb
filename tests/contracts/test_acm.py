"""Certificates in AWS Certificate Manager: over HTTP to moto's server, behind the rules that moto does not enforce."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from certd.model import Secret
from certd.model.acm import AmazonSettings, AmazonUse
from certd.pki.placeholder import make_placeholder
from certd.ports import Outcome, Verdict
from certd.system.egress import Egress
from certd.system.network import Network
from certd.targets.acm import TAG, AcmRemote, members_of
from certd.targets.amazon import Acm
from certd.targets.api_target import bring_each
from certd.targets.hooks import Renewed
from certd.targets.remote import Leftover, Pair
from tests.lab.amazon import CREDENTIALS, Amazon, Refused
from tests.lab.certificates import DAY, NOW, Issuer, Leaf, make_ca, make_leaf

LINK = "link.example.com"
REGION = "us-east-1"
DEADLINE = timedelta(seconds=20)
ROOT = make_ca("Root")
CA = make_ca("Intermediate", ROOT)


@pytest.fixture(scope="module")
def running() -> Iterator[Amazon]:
    with Amazon() as made:
        yield made


@pytest.fixture
def amazon(running: Amazon, monkeypatch: pytest.MonkeyPatch) -> Iterator[Amazon]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    yield running
    running.reset()


@dataclass
class Names:
    """A node's store."""

    known: dict[tuple[str, str], str] = field(default_factory=dict)

    def of(self, proxy: str, link: str) -> Memory:
        return Memory(self, (proxy, link))


@dataclass
class Memory:
    """Of one link."""

    names: Names
    key: tuple[str, str]

    def name(self, role: str) -> str:
        assert role == "certificate"
        return self.names.known.get(self.key, "")

    def keep(self, role: str, name: str) -> None:
        assert role == "certificate"
        self.names.known[self.key] = name

    def leave(self, leftover: Leftover) -> None:
        raise AssertionError("ACM replaces under the same name")

    def leftovers(self) -> list[Leftover]:
        return []

    def forget(self, leftover: Leftover) -> None:
        raise AssertionError("ACM replaces under the same name")


@dataclass
class Importing:
    """What an API target does with ACM."""

    settings: AmazonSettings
    names: Names

    def connect(self) -> AcmRemote:
        return AcmRemote("cdn", self.settings, Egress(Network(), user_agent="test"), DEADLINE)

    def ask(self, renewed: list[Renewed]) -> Outcome:
        return bring_each(self.connect, renewed, lambda link: self.names.of("cdn", link), DEADLINE)

    def hindrance(self) -> str:
        return self.connect().hindrance()

    def _acm(self) -> Acm:
        return self.connect().acm


def importing(
    amazon: Amazon, names: Names, *, arns: Mapping[str, str] | None = None, region: str = REGION
) -> Importing:
    return Importing(AmazonSettings(region=region, use=AmazonUse.CLOUDFRONT, arns=arns or {}, api=amazon.url), names)


@dataclass
class Desk:
    """One link's certificates, as files of a generation."""

    folder: Path
    made: int = 0

    def brings(self, leaf: Leaf, *, link: str = LINK, issuer: Issuer = CA) -> Renewed:
        self.made += 1
        folder = self.folder / str(self.made)
        folder.mkdir()
        (folder / "cert.pem").write_text(leaf.pem)
        (folder / "chain.pem").write_text(issuer.pem)
        (folder / "privkey.pem").write_text(leaf.key.reveal())
        return Renewed(link=link, generation=str(self.made), domains=(link,), folder=folder, lineage=folder)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def rsa_leaf(*names: str, bits: int = 2048, enciphers: bool = True) -> Leaf:
    """Of an RSA key, as the profiles "classic" and "tlsserver" sign it."""
    key = rsa.generate_private_key(65537, bits)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_encipherment=enciphers,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(CA.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + 80 * DAY)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(CA.key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()
    return Leaf(built.public_bytes(serialization.Encoding.PEM).decode(), Secret(pem))


def good(outcome: Outcome) -> str:
    assert outcome.verdict is Verdict.YES, outcome.words
    return outcome.words


def refused(outcome: Outcome) -> str:
    assert outcome.verdict is Verdict.NO, outcome.words
    return outcome.words


def test_imported_once_and_then_under_the_same_arn(amazon: Amazon, desk: Desk) -> None:
    """A first import makes an ARN and says it; a renewal holds the new certificate under the same one."""
    names = Names()
    first, second = make_leaf(CA, LINK), make_leaf(CA, LINK)
    words = good(importing(amazon, names).ask([desk.brings(first)]))
    arn = names.known["cdn", LINK]
    assert arn in words
    assert "distribution must name it, once" in words
    amazon.name(arn)
    words = good(importing(amazon, names).ask([desk.brings(second)]))
    assert words == f"{arn} holds it"
    assert list(amazon.held) == [arn]
    assert [each.leaf for each in amazon.held[arn]] == [first.pem, second.pem]


def test_leaf_chain_and_key_each_in_its_own_member(amazon: Amazon, desk: Desk) -> None:
    """The leaf alone, what is above it, and the key."""
    leaf = make_leaf(CA, LINK)
    good(importing(amazon, Names()).ask([desk.brings(leaf)]))
    ((held,),) = amazon.held.values()
    assert (held.leaf, held.chain, held.key.reveal()) == (leaf.pem, CA.pem, leaf.key.reveal())


def test_asking_twice_imports_once(amazon: Amazon, desk: Desk) -> None:
    """What lies there already is not sent again."""
    names, one = Names(), desk.brings(make_leaf(CA, LINK))
    good(importing(amazon, names).ask([one]))
    good(importing(amazon, names).ask([one]))
    assert amazon.asked.count("ImportCertificate") == 1


def test_a_lost_store_finds_its_own_by_the_tag(amazon: Amazon, desk: Desk) -> None:
    """Also one whose ARN was not yet noted when certd died; a neighbour's for the same name is not it."""
    strangers = (
        importing(amazon, Names())
        ._acm()
        .call("ImportCertificate", **_members(make_leaf(CA, LINK)), Tags=[{"Key": TAG, "Value": "another"}])[
            "CertificateArn"
        ]
    )
    before, after = Names(), Names()
    good(importing(amazon, before).ask([desk.brings(make_leaf(CA, LINK))]))
    renewed = make_leaf(CA, LINK)
    good(importing(amazon, after).ask([desk.brings(renewed)]))
    assert after.known == before.known
    assert len(amazon.held[strangers]) == 1
    assert amazon.held[after.known["cdn", LINK]][-1].leaf == renewed.pem


def _members(leaf: Leaf) -> dict[str, str]:
    return members_of(Pair(link=LINK, generation="1", leaf=leaf.pem, chain=CA.pem, key=leaf.key))


def by_hand(amazon: Amazon, *names: str, tag: str = "") -> str:
    """A certificate that somebody imported."""
    tags = [{"Key": TAG, "Value": tag}] if tag else []
    acm = importing(amazon, Names())._acm()
    answer = acm.call("ImportCertificate", **_members(make_leaf(CA, *names)), **({"Tags": tags} if tags else {}))
    return str(answer["CertificateArn"])


def test_one_that_the_configuration_names_is_taken_over(amazon: Amazon, desk: Desk) -> None:
    """Imported by hand before, for names that the link covers: replaced, tagged, and remembered."""
    arn = by_hand(amazon, LINK)
    names, leaf = Names(), make_leaf(CA, LINK)
    good(importing(amazon, names, arns={LINK: arn}).ask([desk.brings(leaf)]))
    assert amazon.held[arn][-1].leaf == leaf.pem
    assert names.known == {("cdn", LINK): arn}
    assert importing(amazon, names)._acm().tags(arn) == {TAG: LINK}


STRANGERS: Mapping[str, tuple[tuple[str, ...], str, str]] = {
    "for another domain": (("shop.example.com",), "", "is for shop.example.com too, which link.example.com does not"),
    "for more than this link": ((LINK, "shop.example.com"), "", "is for shop.example.com too"),
    "another link's": ((LINK,), "shop.example.com", "belongs to the link shop.example.com (tag certd:link)"),
    "of a link of that name elsewhere": (("shop.example.com",), LINK, "is for shop.example.com, not for"),
}


@pytest.mark.parametrize("case", STRANGERS)
def test_a_strangers_certificate_is_left_alone(amazon: Amazon, desk: Desk, case: str) -> None:
    """Whatever the configuration names: what is not this link's is not written over, and the words say why."""
    there, tag, words = STRANGERS[case]
    arn = by_hand(amazon, *there, tag=tag)
    said = refused(importing(amazon, Names(), arns={LINK: arn}).ask([desk.brings(make_leaf(CA, LINK))]))
    assert words in said
    assert "left alone; name another in proxy.cdn.acm.arns" in said
    assert len(amazon.held[arn]) == 1


def test_one_that_amazon_issued_is_left_alone(amazon: Amazon, desk: Desk) -> None:
    """Importing over it would end its own renewal."""
    acm = importing(amazon, Names())._acm()
    arn = acm.call("RequestCertificate", DomainName=LINK, KeyAlgorithm="EC_prime256v1")["CertificateArn"]
    said = refused(importing(amazon, Names(), arns={LINK: arn}).ask([desk.brings(make_leaf(CA, LINK))]))
    assert arn in said
    assert "ImportCertificate" not in amazon.asked


def test_an_arn_that_has_vanished(amazon: Amazon, desk: Desk) -> None:
    """Deleted by hand, or these are another account's credentials: said, with the way out; nothing is imported on the
    quiet that no distribution names. The way out works, and once taken makes no second one.
    """
    names = Names()
    good(importing(amazon, names).ask([desk.brings(make_leaf(CA, LINK))]))
    gone = names.known["cdn", LINK]
    importing(amazon, names)._acm().call("DeleteCertificate", CertificateArn=gone)
    one = desk.brings(make_leaf(CA, LINK))
    said = refused(importing(amazon, names).ask([one]))
    assert f"{gone}: there is no such certificate in the account of these AWS credentials" in said
    assert 'proxy.cdn.acm.arns."link.example.com" = "new"' in said
    good(importing(amazon, names, arns={LINK: "new"}).ask([one]))
    kept = names.known["cdn", LINK]
    assert kept != gone
    good(importing(amazon, names, arns={LINK: "new"}).ask([desk.brings(make_leaf(CA, LINK))]))
    assert names.known["cdn", LINK] == kept


def test_another_accounts_arn(amazon: Amazon, desk: Desk) -> None:
    """These credentials do not see it: refused, and not imported anew."""
    arn = f"arn:aws:acm:{REGION}:999999999999:certificate/0b1c1d1e-0000-4000-8000-000000000000"
    said = refused(importing(amazon, Names(), arns={LINK: arn}).ask([desk.brings(make_leaf(CA, LINK))]))
    assert "are these the right credentials?" in said
    assert amazon.held == {}


def test_another_key_type_gets_an_arn_of_its_own_only_when_told(amazon: Amazon, desk: Desk) -> None:
    """ACM lets no key type change under an ARN: refused before it is asked, with both ways out."""
    names = Names()
    good(importing(amazon, names).ask([desk.brings(make_leaf(CA, LINK))]))
    old = names.known["cdn", LINK]
    other = desk.brings(rsa_leaf(LINK))
    amazon.asked.clear()
    said = refused(importing(amazon, names).ask([other]))
    assert f"{old} holds a key of type ecdsa-p256, and ACM lets it be replaced by no rsa-2048" in said
    assert 'key = "ecdsa-p256" for the link; or proxy.cdn.acm.arns."link.example.com" = "new"' in said
    assert "ImportCertificate" not in amazon.asked
    good(importing(amazon, names, arns={LINK: "new"}).ask([other]))
    assert names.known["cdn", LINK] not in {"", old}
    # A lost store takes the one that fits.
    later = Names()
    good(importing(amazon, later, arns={LINK: "new"}).ask([other]))
    assert later.known == names.known


def test_what_acm_refuses_is_said_in_its_words(amazon: Amazon, desk: Desk) -> None:
    """An RSA certificate that lost keyEncipherment; the key is in no word of it."""
    names = Names()
    good(importing(amazon, names).ask([desk.brings(rsa_leaf(LINK))]))
    leaf = rsa_leaf(LINK, enciphers=False)
    said = refused(importing(amazon, names).ask([desk.brings(leaf)]))
    assert "refuses ImportCertificate: ValidationException: The key usage keyEncipherment cannot be removed." in said


def test_one_bad_pair_holds_back_no_other(amazon: Amazon, desk: Desk) -> None:
    """Each link has its own outcome."""
    wrong = Leaf(make_leaf(CA, "bad.example.com").pem, make_leaf(CA, "bad.example.com").key)
    pairs = [desk.brings(wrong, link="bad.example.com"), desk.brings(make_leaf(CA, LINK))]
    outcome = importing(amazon, Names()).ask(pairs)
    assert "does not match" in refused(outcome.of("bad.example.com"))
    assert "imported as" in good(outcome.of(LINK))


def test_a_placeholder_is_never_imported(amazon: Amazon, desk: Desk) -> None:
    """It is for proxies that must start, and no certificate."""
    made = make_placeholder(LINK, (LINK,), NOW)
    said = refused(importing(amazon, Names()).ask([desk.brings(Leaf(made.chain_pem, made.key))]))
    assert "a placeholder is not uploaded" in said
    assert amazon.asked == []


BUSY = (400, "ThrottlingException", "Rate exceeded", {"Retry-After": "47"})


def test_asked_too_often_everybody_waits_as_told(amazon: Amazon, desk: Desk) -> None:
    """Retry-After is obeyed, and the links behind are not asked for."""
    amazon.answers.append(BUSY)
    pairs = [desk.brings(make_leaf(CA, name), link=name) for name in (LINK, "b.example.com", "c.example.com")]
    outcome = importing(amazon, Names()).ask(pairs)
    assert len(amazon.asked) == 1
    for name in (LINK, "b.example.com", "c.example.com"):
        assert "asks to be asked less (ThrottlingException: Rate exceeded)" in refused(outcome.of(name))
        assert outcome.of(name).again_after == timedelta(seconds=47)


NO_WAIT, HALF_A_MINUTE = timedelta(0), timedelta(seconds=30)
ANSWERS: Mapping[str, tuple[tuple[int, str, str, Mapping[str, str]], str, timedelta]] = {
    "throttled, not told for how long": ((400, "Throttling", "slow", {}), "asks to be asked less", HALF_A_MINUTE),
    "out of order": ((503, "", "<html>", {}), "is out of order (503)", HALF_A_MINUTE),
    "a quota": ((400, "LimitExceededException", "2500", {}), "Service Quotas", timedelta(hours=1)),
    "no right": ((400, "AccessDeniedException", "User arn:x may not", {}), "acm:ImportCertificate", NO_WAIT),
    "not ACM": ((200, "", "<html>login</html>", {}), "something in between", NO_WAIT),
    "credentials": ((400, "UnrecognizedClientException", "AKID", {}), "does not take the AWS credentials", NO_WAIT),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_that_are_none(amazon: Amazon, desk: Desk, case: str) -> None:
    """Each names what is wrong and the way out."""
    answer, words, wait = ANSWERS[case]
    amazon.answers.append(answer)
    outcome = importing(amazon, Names()).ask([desk.brings(make_leaf(CA, LINK))])
    said = refused(outcome)
    assert said.startswith(f"{LINK}: ACM in us-east-1")
    assert words in said
    assert outcome.of(LINK).again_after == wait


def test_no_credentials(amazon: Amazon, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said with where they are looked for; nothing goes out."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    target = importing(amazon, Names())
    said = refused(target.ask([desk.brings(make_leaf(CA, LINK))]))
    assert "there are no AWS credentials; environment, ~/.aws of certd's user, or the instance's role" in said
    assert "there are no AWS credentials" in target.hindrance()
    assert target.hindrance()
    assert amazon.asked == []


def test_nothing_secret_is_said(amazon: Amazon, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Not the key, not the credentials: neither in words, nor in a log where every library says all it can; a refused
    signature is not repeated, for it holds what was signed.
    """
    leaf = make_leaf(CA, LINK)
    secrets = [*leaf.key.reveal().split("\n")[1:3], CREDENTIALS["AWS_SECRET_ACCESS_KEY"], "a-session-token"]
    signed = "The Canonical String should have been x-amz-security-token:a-session-token"
    names = Names()
    target = importing(amazon, names)
    with caplog.at_level(logging.DEBUG):
        outcomes = [target.ask([desk.brings(leaf)])]
        amazon.answers.append((403, "InvalidSignatureException", signed, {}))
        outcomes.append(target.ask([desk.brings(leaf)]))
        amazon.answers.append((400, "ValidationException", f"cannot parse {leaf.key.reveal()}", {}))
        outcomes.append(target.ask([desk.brings(leaf)]))
    text = caplog.text + repr(outcomes) + repr(target)
    assert [each.verdict for each in outcomes] == [Verdict.YES, Verdict.NO, Verdict.NO]
    for secret in secrets:
        assert secret not in text


def test_the_rules_of_the_edge(amazon: Amazon, desk: Desk) -> None:
    """CloudFront takes no RSA key of 4,096 bits and no P-384: the stand-in refuses what the configuration refuses."""
    for leaf in (rsa_leaf(LINK, bits=4096), make_leaf(CA, LINK, key_type="ecdsa-p384")):
        names = Names()
        good(importing(amazon, names).ask([desk.brings(leaf)]))
        with pytest.raises(Refused, match="CloudFront does not take"):
            amazon.name(names.known["cdn", LINK])
        importing(amazon, names)._acm().call("DeleteCertificate", CertificateArn=names.known["cdn", LINK])

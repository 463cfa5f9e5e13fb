"""CAA: RFC 8659's rules and RFC 8657's parameters."""

from __future__ import annotations

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from certd.dns.caa import Caa, Property, Relevant, judge_caa
from certd.dns.exchange import Deadline
from certd.dns.resolvers import Resolvers
from certd.errors import DnsUnreachable

LE = ("letsencrypt.org",)
ACCOUNT = "https://acme.example/acct/1"

CASES: dict[str, tuple[list[Property], bool, str]] = {
    "nothing about issuing": ([Property(0, "iodef", "mailto:a@example.com")], False, ""),
    "it is named": ([Property(0, "issue", "letsencrypt.org")], False, ""),
    "case and spaces": ([Property(0, "issue", " LetsEncrypt.org ; ")], False, ""),
    "one of several": ([Property(0, "issue", "digicert.com"), Property(0, "issue", "letsencrypt.org")], False, ""),
    "another one only": ([Property(0, "issue", "digicert.com")], False, 'add 0 issue "letsencrypt.org"'),
    "nobody": ([Property(0, "issue", ";")], False, 'it allows 0 issue ";"'),
    "a wildcard by issuewild": (
        [Property(0, "issue", "digicert.com"), Property(0, "issuewild", "letsencrypt.org")],
        True,
        "",
    ),
    "a wildcard that issuewild forbids": (
        [Property(0, "issue", "letsencrypt.org"), Property(0, "issuewild", ";")],
        True,
        "add 0 issuewild",
    ),
    "issuewild says nothing of a plain name": (
        [Property(0, "issue", "letsencrypt.org"), Property(0, "issuewild", ";")],
        False,
        "",
    ),
    "a wildcard by issue": ([Property(0, "issue", "letsencrypt.org")], True, ""),
    "our account": ([Property(0, "issue", f"letsencrypt.org; accounturi={ACCOUNT}")], False, ""),
    "another account": (
        [Property(0, "issue", "letsencrypt.org; accounturi=https://acme.example/2")],
        False,
        "only another account",
    ),
    "our method": ([Property(0, "issue", "letsencrypt.org; validationmethods=http-01,dns-01")], False, ""),
    "another method": ([Property(0, "issue", "letsencrypt.org; validationmethods=http-01")], False, "only http-01"),
    "a parameter said twice": (
        [Property(0, "issue", "letsencrypt.org; validationmethods=dns-01; validationmethods=dns-01")],
        False,
        "only once",
    ),
    "malformed parameters": (
        [Property(0, "issue", "letsencrypt.org; %%%%%")],
        False,
        "is malformed, so it permits nothing",
    ),
    "another CA's malformed parameters": (
        [Property(0, "issue", "digicert.com; %"), Property(0, "issue", "letsencrypt.org")],
        False,
        "",
    ),
    "parameters with odd spaces": (
        [Property(0, "issue", "letsencrypt.org ;  validationmethods = dns-01 ;")],
        False,
        "",
    ),
    "a tag in capitals": ([Property(0, "issue", "LETSENCRYPT.ORG")], False, ""),
    "critical and unknown": (
        [Property(128, "future", "x"), Property(0, "issue", "letsencrypt.org")],
        False,
        "is critical",
    ),
    "unknown and not critical": ([Property(0, "future", "x")], False, ""),
}


@pytest.mark.parametrize("name", CASES)
def test_a_set(name: str) -> None:
    """A table of sets."""
    properties, is_wildcard, words = CASES[name]
    found = judge_caa(properties, LE, is_wildcard=is_wildcard, account=ACCOUNT)
    assert (found == "") == (words == "")
    assert words in found


class Zone(Resolvers):
    """Answers by name: rrsets in presentation form, or an rcode."""

    def __init__(self, answers: dict[str, list[str] | dns.rcode.Rcode]) -> None:
        super().__init__()
        self.answers = answers
        self.asked: list[str] = []

    def ask(
        self,
        name: dns.name.Name,
        kind: dns.rdatatype.RdataType,
        deadline: Deadline,
        *,
        checking_disabled: bool = False,
    ) -> dns.message.Message:
        text = name.to_text(omit_final_dot=True)
        self.asked.append(text)
        found = self.answers.get(text, [])
        reply = dns.message.make_response(dns.message.make_query(name, kind))
        if isinstance(found, dns.rcode.Rcode):
            reply.set_rcode(found)
            return reply
        for line in found:
            owner, kind_text, rest = line.split(" ", 2)
            reply.answer.append(dns.rrset.from_text(owner + ".", 60, "IN", kind_text, rest))
        return reply


def test_it_climbs_to_the_first_set() -> None:
    """Parents of the name itself, up to the top-level domain; never those of an alias's target."""
    zone = Zone({"example.com": ['example.com CAA 0 issue "digicert.com"']})
    said = Caa(zone).denied(["link.example.com"], LE)
    assert said is not None
    assert said.words.startswith("link.example.com: CAA at example.com forbids it: ")
    assert zone.asked == ["link.example.com", "example.com"]
    assert Caa(Zone({})).denied(["link.example.com"], LE) is None


def test_the_target_of_an_alias_governs() -> None:
    """While the link still points at the e-mail service, that one's records count, and the sentence says so."""
    zone = Zone(
        {
            "link.example.com": [
                "link.example.com CNAME sendgrid.example.",
                'sendgrid.example CAA 0 issue "digicert.com"',
            ],
            "example.com": ['example.com CAA 0 issue "letsencrypt.org"'],
        }
    )
    said = Caa(zone).denied(["link.example.com"], LE)
    assert said is not None
    assert "CAA at sendgrid.example, where link.example.com points, forbids it" in said.words


def test_only_the_targets_record_forbids_it() -> None:
    """Then the way out is said in its order, and watched for every minute; a parent's HSTS makes it unsafe."""
    zone = Zone(
        {
            "link.example.com": ["link.example.com CNAME sendgrid.net.", 'sendgrid.net CAA 0 issue "digicert.com"'],
            "example.com": ['example.com CAA 0 issue "letsencrypt.org"'],
        }
    )
    said = Caa(zone).denied(["link.example.com"], LE)
    assert said is not None
    assert said.awaited
    assert "CAA at sendgrid.net, where link.example.com points (it still points at SendGrid)" in said.words
    steps = ["links in mails are still http", "port 80 forwarding", "certd issues within minutes", "turn SSL on"]
    assert [said.hint.index(step) for step in steps] == sorted(said.hint.index(step) for step in steps)
    assert "HSTS" not in said.hint
    strict = Caa(zone, lambda name: ("example.com",)).denied(["link.example.com"], LE)
    assert strict is not None
    assert "But example.com sends HSTS with includeSubDomains" in strict.hint


def test_both_the_target_and_the_parent_forbid_it() -> None:
    """Moving the CNAME would not help, and is not proposed."""
    zone = Zone(
        {
            "link.example.com": ["link.example.com CNAME sendgrid.net.", 'sendgrid.net CAA 0 issue "digicert.com"'],
            "example.com": ['example.com CAA 0 issue "sectigo.com"'],
        }
    )
    said = Caa(zone).denied(["link.example.com"], LE)
    assert said is not None
    assert not said.awaited
    assert "and above link.example.com" in said.words
    assert "sectigo.com" in said.words


def test_what_nobody_can_say_is_left_to_the_ca() -> None:
    """A resolver that fails must not keep a certificate from being renewed."""
    assert Caa(Zone({"link.example.com": dns.rcode.SERVFAIL})).denied(["link.example.com"], LE) is None
    with pytest.raises(DnsUnreachable):
        Caa(Zone({"link.example.com": dns.rcode.SERVFAIL})).relevant("link.example.com")
    assert Caa(Zone({})).denied(["link.example.com"], ()) is None


def test_parents_are_asked_once_for_many_links() -> None:
    """Of links of one domain that are due together each name is asked each time, the parent once in a few seconds."""
    zone = Zone({"example.com": ['example.com CAA 0 issue "letsencrypt.org"']})
    above: dict[str, tuple[float, Relevant | None]] = {}
    for name in ("a.example.com", "b.example.com", "a.example.com"):
        assert Caa(zone, above=above).denied([name], LE) is None
    assert zone.asked == ["a.example.com", "example.com", "b.example.com", "a.example.com"]
    above.clear()
    assert Caa(zone, above=above).denied(["a.example.com"], ["other.example"]) is not None
    assert zone.asked[4:] == ["a.example.com", "example.com"]


def test_a_machine_that_has_just_been_started() -> None:
    """That nothing was asked yet is no answer, however young the clock is that never goes back."""
    zone = Zone({"example.com": ['example.com CAA 0 issue "other.example"']})
    assert Caa(zone, monotonic=lambda: 2.0).denied(["link.example.com"], LE) is not None

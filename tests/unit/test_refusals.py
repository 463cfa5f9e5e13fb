"""The table of refusals, by Boulder's own texts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certd.errors import AcmeProblem, AcmeRequest, Subproblem
from certd.model import NO_ATTEMPT, Attempt, Begin, LineageFacts, Request, Wait
from certd.planning.acme_errors import HUMAN_KINDS, TABLE, WILL_NOT, Again, refusal_for, told_wait
from certd.planning.alarms import issue_alarm
from certd.planning.backoff import FOR_GOOD
from certd.planning.failure import failed_attempt, is_passing
from certd.planning.issue import plan_issue
from tests.unit.cases import DAY, NOW, WISH, certificate, facts

HOUR = timedelta(hours=1)
PAUSE = (
    "Your account is temporarily prevented from requesting certificates for link.example.com and possibly others. "
    "Please visit: https://sfe.letsencrypt.org/sfe/v1/unpause?jwt=ey"
)


def problem(type: str, detail: str, status: int = 400, **more: object) -> AcmeProblem:
    return AcmeProblem(type=type, detail=detail, status=status, **more)  # type: ignore[arg-type]


# Texts as in Boulder's ratelimits/limiter.go, wfe2/wfe.go, va/dns.go, policy/pa.go, goodkey; Pebble's where it differs.
SAID = {
    "paused": (problem("rateLimited", PAUSE, 429), "paused", Again.DAILY),
    "five a week": (
        problem(
            "rateLimited",
            "too many certificates (5) already issued for this exact set of identifiers "
            "in the last 168h0m0s, retry after 2026-11-24 23:00:00 UTC",
            429,
            retry_after=35 * HOUR,
        ),
        "rateLimited",
        Again.AS_TOLD,
    ),
    "fifty a week": (
        problem(
            "rateLimited",
            'too many certificates (50) already issued for "example.com" in the last '
            "168h0m0s, retry after 2026-11-23 15:22:00 UTC",
            429,
        ),
        "rateLimited",
        Again.AS_TOLD,
    ),
    "orders": (
        problem(
            "rateLimited",
            "too many new orders (300) from this account in the last 3h0m0s, retry after 2026-11-23 12:00:36 UTC",
            429,
        ),
        "rateLimited",
        Again.AS_TOLD,
    ),
    "failures": (
        problem(
            "rateLimited",
            'too many failed authorizations (5) for "link.example.com" in the last 1h0m0s, '
            "retry after 2026-11-23 12:12:00 UTC",
            429,
        ),
        "rateLimited",
        Again.AS_TOLD,
    ),
    "deactivated": (
        problem("unauthorized", 'Account is not valid, has status "deactivated"', 403),
        "accountDeactivated",
        Again.DAILY,
    ),
    "deactivated, Pebble": (
        problem("unauthorized", "Account has been deactivated", 403),
        "accountDeactivated",
        Again.DAILY,
    ),
    "unknown account": (
        problem("accountDoesNotExist", 'Account "https://ca/acct/1" not found'),
        "accountDoesNotExist",
        Again.LADDER,
    ),
    "terms changed": (
        problem("userActionRequired", "Terms of service have changed", 403),
        "userActionRequired",
        Again.DAILY,
    ),
    "terms never agreed": (
        problem("malformed", "must agree to terms of service"),
        "userActionRequired",
        Again.ON_CHANGE,
    ),
    "binding wanted": (problem("externalAccountRequired", "", 403), "externalAccountRequired", Again.ON_CHANGE),
    "binding refused": (
        problem("unauthorized", "The external account key is not valid", 401),
        "externalAccountRequired",
        Again.ON_CHANGE,
    ),
    "contact": (problem("invalidContact", "contact email has invalid domain"), "invalidContact", Again.ON_CHANGE),
    "profile": (problem("invalidProfile", 'profile "tlsclient" not recognized'), "invalidProfile", Again.ON_CHANGE),
    "profile at finalize": (
        problem("invalidProfile", "profile is not offered any more", 403),
        "invalidProfile",
        Again.ON_CHANGE,
    ),
    "blocked by policy": (
        problem(
            "rejectedIdentifier",
            "The ACME server refuses to issue a certificate for this domain name, because it is forbidden by policy",
        ),
        "rejectedIdentifier",
        Again.DAILY,
    ),
    "no such suffix": (
        problem("rejectedIdentifier", "Domain name does not end with a valid public suffix (TLD)"),
        "rejectedIdentifier",
        Again.ON_CHANGE,
    ),
    "not a name": (
        problem("malformed", "Domain name contains an invalid character"),
        "rejectedIdentifier",
        Again.ON_CHANGE,
    ),
    "redundant": (
        problem(
            "malformed",
            'Domain name "link.example.com" is redundant with a wildcard domain in the same '
            "request. Remove one or the other from the certificate request.",
        ),
        "rejectedIdentifier",
        Again.ON_CHANGE,
    ),
    "too many names": (
        problem("malformed", "Order cannot contain more than 100 identifiers"),
        "rejectedIdentifier",
        Again.ON_CHANGE,
    ),
    "a top-level domain": (
        problem("rejectedIdentifier", "Domain name is an ICANN TLD"),
        "rejectedIdentifier",
        Again.ON_CHANGE,
    ),
    "a wildcard of one": (
        problem("rejectedIdentifier", "Domain name is a wildcard for an ICANN TLD"),
        "rejectedIdentifier",
        Again.ON_CHANGE,
    ),
    "one label": (problem("malformed", "Domain name needs at least one dot"), "rejectedIdentifier", Again.ON_CHANGE),
    "kind of name": (
        problem("unsupportedIdentifier", "NewOrder request included unsupported identifier type"),
        "unsupportedIdentifier",
        Again.ON_CHANGE,
    ),
    "replaced": (
        problem(
            "alreadyReplaced",
            "cannot indicate an order replaces a certificate that already has a replacement order",
            409,
        ),
        "alreadyReplaced",
        Again.AT_ONCE,
    ),
    "replaced, older": (problem("conflict", "already has a replacement order", 409), "alreadyReplaced", Again.AT_ONCE),
    "too early": (
        problem("orderNotReady", 'Order\'s status ("pending") is not acceptable for finalization', 403),
        "orderNotReady",
        Again.KEPT,
    ),
    "bad CSR": (problem("badCSR", "Error finalizing order :: public key is forbidden"), "badKey", Again.DAILY),
    "bad key": (problem("badPublicKey", "public key is forbidden"), "badKey", Again.DAILY),
    "algorithm": (
        problem("badSignatureAlgorithm", "JWS signature header contains unsupported algorithm"),
        "badSignatureAlgorithm",
        Again.ON_CHANGE,
    ),
    "nonce": (problem("badNonce", "JWS has an invalid anti-replay nonce"), "badNonce", Again.KEPT),
    "busy": (problem("serverInternal", "Service busy; retry later", 503), "busy", Again.AS_TOLD),
    "internal": (problem("serverInternal", "Error retrieving account", 500), "busy", Again.AS_TOLD),
    "CAA": (problem("caa", "CAA record for link.example.com prevents issuance", 403), "caa", Again.LADDER),
    "SERVFAIL": (
        problem(
            "dns",
            "DNS problem: SERVFAIL looking up TXT for _acme-challenge.link.example.com - the "
            "domain's nameservers may be malfunctioning",
        ),
        "dns",
        Again.LADDER,
    ),
    "NXDOMAIN": (
        problem("dns", "DNS problem: NXDOMAIN looking up TXT for _acme-challenge.link.example.com"),
        "dns",
        Again.LADDER,
    ),
    "no TXT": (
        problem(
            "unauthorized",
            "No TXT record found at _acme-challenge.link.example.com",
            403,
            request=AcmeRequest.VALIDATION,
        ),
        "unauthorized",
        Again.LADDER,
    ),
    "wrong TXT": (
        problem(
            "unauthorized",
            'Incorrect TXT record "x" found at _acme-challenge.link.example.com',
            403,
            request=AcmeRequest.VALIDATION,
        ),
        "unauthorized",
        Again.LADDER,
    ),
    "deactivated, others": (
        problem("unauthorized", "account is not active", 401, request=AcmeRequest.NEW_ORDER),
        "accountDeactivated",
        Again.DAILY,
    ),
    "deactivated, step-ca": (
        problem("unauthorized", "The client lacks sufficient authorization", 401, request=AcmeRequest.NEW_ORDER),
        "notPermitted",
        Again.DAILY,
    ),
    "the account itself": (
        problem("unauthorized", "no", 401, request=AcmeRequest.ACCOUNT),
        "accountDeactivated",
        Again.DAILY,
    ),
    "unknown binding, step-ca": (
        problem("unauthorized", "the field 'kid' references an unknown key", 401, request=AcmeRequest.NEW_ACCOUNT),
        "externalAccountRequired",
        Again.ON_CHANGE,
    ),
    "unknown binding, by a crash": (
        problem("serverInternal", "The server experienced an internal error", 500, request=AcmeRequest.NEW_ACCOUNT),
        "busy",
        Again.AS_TOLD,
    ),
    "no contact": (
        problem("malformed", "at least one contact is needed", request=AcmeRequest.NEW_ACCOUNT),
        "invalidContact",
        Again.ON_CHANGE,
    ),
    "no contact, acme2certifier": (
        problem("malformed", "incomplete protected payload", request=AcmeRequest.NEW_ACCOUNT),
        "malformed",
        Again.DAILY,
    ),
    "no change of keys, step-ca": (
        problem(
            "rejectedIdentifier", "The requested operation is not implemented", 501, request=AcmeRequest.KEY_CHANGE
        ),
        "keyChangeRefused",
        Again.DAILY,
    ),
    "may not order": (
        problem("unauthorized", "not allowed", 403, request=AcmeRequest.NEW_ORDER),
        "notPermitted",
        Again.DAILY,
    ),
    "may not download": (
        problem("unauthorized", "not allowed", 403, request=AcmeRequest.CERTIFICATE),
        "notPermitted",
        Again.DAILY,
    ),
    "may not revoke": (
        problem("unauthorized", "not allowed", 403, request=AcmeRequest.REVOKE),
        "notPermitted",
        Again.DAILY,
    ),
    "elsewhere": (
        problem(
            "unauthorized", "During secondary validation: No TXT record found", 403, request=AcmeRequest.VALIDATION
        ),
        "unauthorized",
        Again.LADDER,
    ),
    "gibberish asked": (
        problem("malformed", "NewOrder request did not specify any identifiers"),
        "malformed",
        Again.DAILY,
    ),
    "from tomorrow": (problem("quantumRequired", "classical keys are not taken"), "", Again.LADDER),
    "a 502 of an unknown type": (problem("oops", "bad gateway", 502), "busy", Again.AS_TOLD),
}


WAYS_OUT = {
    "redundant": "take that name out",
    "too many names": "several links",
    "a top-level domain": "below that suffix",
    "a wildcard of one": "below that suffix",
    "not a name": "no underscore",
}


@pytest.mark.parametrize("name", WAYS_OUT)
def test_a_name_that_no_public_ca_takes_has_a_way_out(name: str) -> None:
    """The hint says what to change."""
    assert WAYS_OUT[name] in refusal_for(SAID[name][0]).hint


@pytest.mark.parametrize("name", SAID)
def test_each_text_has_its_row(name: str) -> None:
    """Kind and retry of each thing that a CA says."""
    said, kind, again = SAID[name]
    row = refusal_for(said)
    assert (row.kind, row.again) == (kind, again)


@pytest.mark.parametrize("request_", sorted(set(AcmeRequest) - {""}))
def test_only_a_validation_fails_as_a_validation(request_: AcmeRequest) -> None:
    """``unauthorized`` to a challenge, to finalize or inside an order is about the DNS; to any other request it is
    about our account.
    """
    kind = refusal_for(problem("unauthorized", "no", 403, request=request_)).kind
    is_validation = request_ in {AcmeRequest.CHALLENGE, AcmeRequest.FINALIZE, AcmeRequest.VALIDATION}
    assert (kind == "unauthorized") is is_validation
    assert kind


def test_every_row_is_reached() -> None:
    """No row hides behind another, and none is without a text here."""
    reached = {id(refusal_for(said)) for said, _, _ in SAID.values()}
    assert [row for row in TABLE if id(row) not in reached and row.kind not in {"gone", "unsupported"}] == []


def test_the_gravest_subproblem_decides() -> None:
    """One name that is refused for good makes the order one that needs another configuration."""
    below = (
        Subproblem(identifier="a.example.com", type="unauthorized", detail="No TXT record found"),
        Subproblem(identifier="b.invalid", type="rejectedIdentifier", detail="not end with a valid public suffix"),
    )
    row = refusal_for(problem("compound", "Errors validating", 403, subproblems=below))
    assert (row.kind, row.again) == ("rejectedIdentifier", Again.ON_CHANGE)
    assert refusal_for(problem("serverInternal", "busy", 503, subproblems=below)).again is Again.AS_TOLD


def test_the_wait_is_read_from_the_text() -> None:
    """Boulder's date counts where Retry-After is missing, and never as a negative wait."""
    said = SAID["failures"][0]
    assert told_wait(said, NOW) == timedelta(minutes=12)
    assert told_wait(said, NOW + DAY) == timedelta(0)
    assert told_wait(SAID["five a week"][0], NOW) == 35 * HOUR
    assert told_wait(problem("rateLimited", "retry after 2026-99-99 12:00:00 UTC", 429), NOW) is None


def after(said: AcmeProblem, **known: object) -> Attempt:
    """What is remembered of it."""
    return failed_attempt(replace(WISH, mark="aaaa"), facts(**known), said, NOW)


@pytest.mark.parametrize(
    ("name", "known", "wait"),
    [
        ("five a week", {"attempt": Attempt(failures=7)}, 35 * HOUR),
        ("failures", {}, timedelta(minutes=12)),
        ("paused", {"current": certificate(age=5 * DAY, life=6 * DAY)}, DAY),
        ("blocked by policy", {}, DAY),
        ("blocked by policy", {"current": certificate(age=70 * DAY)}, DAY),
        ("blocked by policy", {"current": certificate(age=5 * DAY, life=6 * DAY)}, 3 * HOUR),
        ("no TXT", {}, timedelta(minutes=12)),
        ("terms never agreed", {}, FOR_GOOD),
        ("profile", {}, FOR_GOOD),
    ],
)
def test_when_again(name: str, known: dict[str, object], wait: timedelta) -> None:
    """Rate limited: exactly as told, whatever the ladder says. A pause: a day, however short the certificate's life."""
    assert after(SAID[name][0], **known).not_before == NOW + wait


def test_a_changed_configuration_lifts_it_at_once() -> None:
    """What needs another configuration waits for nothing else, and each configuration is tried once: two nodes that
    disagree do not drive each other.
    """
    failed = after(SAID["terms never agreed"][0])
    same, other = replace(WISH, mark="aaaa"), replace(WISH, mark="bbbb")
    held = plan_issue(same, facts(attempt=failed), NOW + 300 * DAY)
    assert isinstance(held, Wait)
    assert "until the configuration changes" in held.because
    assert isinstance(plan_issue(other, facts(attempt=failed), NOW), Begin)
    again = failed_attempt(other, facts(attempt=failed), SAID["terms never agreed"][0], NOW)
    assert again.marks == ("aaaa", "bbbb")
    assert isinstance(plan_issue(same, facts(attempt=again), NOW), Wait)
    alarm = issue_alarm(facts(attempt=failed), held, NOW, {})
    assert alarm is not None
    assert "until the configuration changes" in alarm.next_step


def test_no_configuration_lifts_a_limit() -> None:
    """The CA does not know of our file."""
    for name in ("paused", "five a week"):
        failed = after(SAID[name][0])
        assert isinstance(plan_issue(replace(WISH, mark="bbbb"), facts(attempt=failed), NOW + HOUR), Wait)


def test_an_operator_lifts_what_only_an_operator_can_end() -> None:
    """Agreed at the CA's site, asked for by hand."""
    failed = after(SAID["terms changed"][0])
    asked = Request(by="ada", at=NOW + HOUR)
    assert isinstance(plan_issue(WISH, facts(attempt=failed, request=asked), NOW + HOUR), Begin)


def test_a_profile_that_is_not_offered_gives_way_before_the_link_lapses() -> None:
    """Refused clearly for a quarter of the margin, then left out; a first certificate waits for the operator."""
    current = certificate(age=63 * DAY)
    failed = after(SAID["profile"][0], current=current)
    desired = replace(WISH, issuer=replace(WISH.issuer, profile="tlsclient"))
    at = failed.not_before
    assert at is not None
    assert NOW < at < current.not_after - (current.not_after - NOW) / 2
    assert isinstance(plan_issue(desired, facts(current=current, attempt=failed), at - HOUR), Wait)
    begin = plan_issue(desired, facts(current=current, attempt=failed), at)
    assert isinstance(begin, Begin)
    assert begin.profile == ""
    fresh = plan_issue(desired, facts(), NOW)
    assert isinstance(fresh, Begin)
    assert fresh.profile == "tlsclient"


def test_what_was_dropped_is_an_alarm() -> None:
    """A profile or a chain stays one until it is mended; what concerned one order is old news after a day."""
    dropped = replace(NO_ATTEMPT, dropped=("profile: not offered", "replaces: already replaced"))
    new = facts(current=certificate(), attempt=dropped)
    alarm = issue_alarm(new, None, NOW, {})
    assert alarm is not None
    assert "profile: not offered; replaces" in alarm.words
    old = replace(new, current=certificate(age=2 * DAY))
    alarm = issue_alarm(old, None, NOW, {})
    assert alarm is not None
    assert "replaces" not in alarm.words
    assert issue_alarm(LineageFacts(link="a", current=certificate()), None, NOW, {}) is None


def test_what_is_passing_keeps_the_order() -> None:
    """Busy, too fast, not so far yet: the order in hand is not thrown away."""
    passing = {name for name, (said, _, _) in SAID.items() if is_passing(said)}
    assert passing == {
        "five a week",
        "fifty a week",
        "orders",
        "failures",
        "too early",
        "nonce",
        "busy",
        "internal",
        "a 502 of an unknown type",
        "unknown binding, by a crash",
        "no change of keys, step-ca",
    }


def test_who_is_told_and_who_is_asked_next() -> None:
    """Only a human ends it: told at the first failure; it will not: the next issuer."""
    assert {"paused", "userActionRequired", "invalidProfile", "externalAccountRequired"} <= HUMAN_KINDS & WILL_NOT
    assert not {"rateLimited", "busy", "unauthorized", "dns"} & (HUMAN_KINDS | WILL_NOT)

"""F: from the files to what the proxy serves."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from certd.diagnosis.findings import Result, fail, skip, warn, well, worst
from certd.diagnosis.subject import Place, Subject
from certd.model import Health
from certd.pki.chain import fingerprint_of
from certd.pki.placeholder import is_placeholder
from certd.ports import Verdict
from certd.probes.inspection import Inspection
from certd.targets.root_copies import included_by, is_copied

# Where Debian keeps the configuration of a kind of proxy.
CONFIGURATIONS = {"nginx": Path("/etc/nginx"), "apache": Path("/etc/apache2"), "caddy": Path("/etc/caddy")}


def _each(subject: Subject, judge: Callable[[Place], Result]) -> Result:
    chart = subject.chart
    if chart is None or chart.blind:
        return skip(chart.blind if chart else "the host is in no configuration")
    return worst([judge(place) for place in chart.places])


def config_test(subject: Subject) -> Result:
    """F1: the proxy's own check."""

    def judge(place: Place) -> Result:
        outcome = place.target.check()
        words = " ".join(outcome.words.split())[:300]
        if outcome.verdict is Verdict.NO:
            return fail(
                f"{place.name} refuses its configuration: {words}", "correct it: the proxy will not start with it"
            )
        if outcome.verdict is Verdict.CANNOT_JUDGE:
            user = subject.chart.user if subject.chart else ""
            return skip(
                f"{place.name}: {user} cannot judge it: {words}", 'a root helper judges and reloads: reload = "auto"'
            )
        return well(f"{place.name} calls its configuration fine")

    return _each(subject, judge)


def reads_our_file(subject: Subject) -> Result:
    """F2: the proxy serves what certd's pointer names."""

    def judge(place: Place) -> Result:
        if place.on_disk is None:
            return skip(f"{place.name}: nothing is published yet")
        observations = [observation for observation in place.deployment.observations if observation.fingerprint]
        shown = [subject.shown(endpoint, flag) for endpoint, flag in subject.desired.endpoints]
        seen = {_fingerprint(each) for each in shown if each.chain} or {
            observation.fingerprint for observation in observations
        }
        if not seen:
            return skip(f"{place.name}: nothing is seen at its endpoints")
        if place.on_disk.fingerprint in seen:
            return well(f"{place.name} serves what its pointer names")
        words = f"{place.name} serves something else than its pointer names"
        return fail(words, place.target.own_side_hint(subject.desired.link))

    return _each(subject, judge)


def _fingerprint(shown: Inspection) -> str:
    return fingerprint_of(shown.chain[0].public_bytes(Encoding.DER))


def can_reload(subject: Subject) -> Result:
    """F3: certd may have the proxy load its configuration."""

    def judge(place: Place) -> Result:
        permission = place.target.may_load(subject.chart.user if subject.chart else "")
        words = f"{place.name}: {permission.words}"
        return well(words) if permission.is_granted else fail(words, permission.hint)

    return _each(subject, judge)


def running(subject: Subject) -> Result:
    """F4: the proxy runs."""

    def judge(place: Place) -> Result:
        shown = [subject.shown(endpoint, flag) for endpoint, flag in subject.desired.endpoints]
        if not shown:
            return skip(f"{place.name} has no endpoints")
        if any(not each.trouble for each in shown):
            return well(f"{place.name} answers at its endpoints")
        return fail(
            f"{place.name}: {shown[0].trouble} at {subject.desired.endpoints[0][0]}",
            f"start it, or set proxy.{place.name}.endpoints",
        )

    return _each(subject, judge)


def last_reload(subject: Subject) -> Result:
    """F5: the last reload went well."""

    def judge(place: Place) -> Result:
        deployment = place.deployment
        if deployment.error:
            return fail(f"{place.name}: {deployment.error}", deployment.hint)
        if deployment.wanted is None:
            return skip(f"{place.name}: nothing was deployed yet")
        blind = [
            observation.address
            for observation in deployment.observations
            if observation.health is Health.BLIND and not observation.never_answered
        ]
        if blind:
            return warn(
                f"{place.name}: nothing is seen at {', '.join(blind)}", "open it to certd, or take it out of endpoints"
            )
        return (
            well(f"{place.name}: the last deployment is proven")
            if deployment.is_verified
            else warn(f"{place.name}: not seen served yet", "look again in a minute")
        )

    return _each(subject, judge)


def restart_safe(subject: Subject) -> Result:
    """F6: a restart brings back what is served now."""

    def judge(place: Place) -> Result:
        if place.on_disk is None or is_placeholder(place.on_disk.chain_pem):
            return skip(f"{place.name}: nothing but a placeholder")
        served = place.deployment.served
        if served and served != place.on_disk.fingerprint:
            words = f"{place.name} serves {served[:8]}, and would start with {place.on_disk.fingerprint[:8]}"
            return fail(words, "`certd once` puts the pointer right")
        if place.on_disk.not_after <= subject.now():
            return fail(f"{place.name} would start with an expired certificate", "certd renew --force")
        return well(f"{place.name} would start with what it serves")

    return _each(subject, judge)


def rights(subject: Subject) -> Result:
    """F7: this user may do what certd must."""
    chart = subject.chart
    if chart is None:
        return skip("the host is in no configuration")
    if chart.blind:
        return warn(f"{chart.user} {chart.blind}", "run it as the user of the service, or by sudo")
    for place in chart.places:
        folder = place.target.kept_files.public
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            return fail(f"{chart.user} may not write {folder}", f"chown it to {chart.user}")
    return well(f"{chart.user} reads the state and writes what proxies read")


def includes(subject: Subject) -> Result:
    """F8: root obeys no file that certd's user may write, and the file that it obeys is up to date."""

    def judge(place: Place) -> Result:
        target, link = place.target, subject.desired.link
        folder = CONFIGURATIONS.get(place.kind)
        inclusion = target.inclusion(link)
        if inclusion is None or folder is None or not is_copied(place.kind):
            return skip(f"{place.name}: its pointers are no configuration that root reads")
        included = _included_in(folder, int(time.monotonic() // 60))
        own, copy, user = inclusion.own, inclusion.copy, subject.chart.user if subject.chart else "certd"
        if not inclusion.is_copied:
            if copy in included:
                words = f"{place.name}: {included[copy]} includes {copy}, which nothing brings up to date"
                helper = f"certd install-service --reload {place.name}"
                return fail(words, f'set reload = "auto" and run `{helper}`, or include {own}')
            return skip(f"{place.name}: no root helper copies its pointers (SECURITY.md says what that means)")
        again = f"`certd proxy-config {link}` prints the site that includes {copy}; then reload {place.name}"
        if own in included:
            words = f"{place.name}: {included[own]} includes {own}: root obeys whatever {user}, its owner, writes there"
            return warn(words, again)
        pointed, copied = target.pointed(link), target.held_elsewhere(link)
        if pointed is not None and copied != pointed.name:
            words = f"{copy} names {copied or 'nothing'}, and not {pointed.name}"
            return fail(words, f"see `systemctl status certd-reload@{place.name}`; start it to have it copied")
        return well(f"{place.name}: root's own copy of the pointer is up to date")

    return _each(subject, judge)


@lru_cache(maxsize=8)
def _included_in(folder: Path, minute: int) -> dict[str, Path]:
    """For all links of one run; ``minute`` lets a process that stays look again."""
    return included_by(folder)

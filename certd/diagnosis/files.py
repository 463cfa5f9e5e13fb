"""B: what lies on the disk, before any proxy is touched."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from certd.diagnosis.findings import Result, fail, skip, warn, well, worst
from certd.diagnosis.subject import Place, Subject
from certd.errors import CertdError, GateRefused
from certd.model import Certificate
from certd.pki.chain import covered_by, load_chain, names_of
from certd.pki.keys import load_key, public_key_type
from certd.pki.placeholder import is_placeholder
from certd.pki.trust import issued
from certd.planning.margin import HALF, in_words, left_of_life
from certd.targets.registry import KINDS
from certd.timefmt import counted

CLOCKS = timedelta(minutes=5)
CDN_KEYS = frozenset({"rsa-2048", "ecdsa-p256"})


def _each(subject: Subject, judge: Callable[[Place, Certificate], Result]) -> Result:
    chart = subject.chart
    if chart is None or chart.blind:
        return skip(chart.blind if chart else "the host is in no configuration")
    found = []
    for place in chart.places:
        if place.on_disk is None:
            found.append(skip(f"{place.name}: nothing is published yet"))
        elif is_placeholder(place.on_disk.chain_pem):
            found.append(skip(f"{place.name}: certd's placeholder, until the first certificate"))
        else:
            try:
                found.append(judge(place, place.on_disk))
            except CertdError as error:
                found.append(fail(f"{place.name}: {error}", _REPAIR))
    return worst(found)


_REPAIR = "let `certd once` publish it again; what a stranger changed is put right"


def pair_match(subject: Subject) -> Result:
    """B1: the key is the leaf's."""

    def judge(place: Place, certificate: Certificate) -> Result:
        leaf = load_chain(certificate.chain_pem)[0]
        if load_key(certificate.key).public_key() != leaf.public_key():
            return fail(f"{place.name}: the key is not the certificate's; Apache would die of it", _REPAIR)
        return well(f"{place.name}: key and certificate belong together")

    return _each(subject, judge)


def pair_order(subject: Subject) -> Result:
    """B2: leaf first, each issued by the next, none twice."""

    def judge(place: Place, certificate: Certificate) -> Result:
        chain = load_chain(certificate.chain_pem)
        if len(set(chain)) != len(chain):
            return fail(f"{place.name}: a certificate is in the chain twice", _REPAIR)
        for below, above in pairwise(chain):
            if not issued(below, above):
                return fail(f"{place.name}: the chain is not in order", _REPAIR)
        return well(f"{place.name}: leaf and {counted(len(chain) - 1, 'issuer')}, in order")

    return _each(subject, judge)


def pair_names(subject: Subject) -> Result:
    """B3: it covers the host."""

    def judge(place: Place, certificate: Certificate) -> Result:
        names = names_of(load_chain(certificate.chain_pem)[0])
        if not covered_by(names, subject.desired.host):
            return fail(
                f"{place.name}: it is for {', '.join(names)}", "certd orders one for the new names: `certd once`"
            )
        return well(f"{place.name}: it covers {subject.desired.host}")

    return _each(subject, judge)


def pair_time(subject: Subject) -> Result:
    """B4: it is valid now, with clocks that differ, and for a while."""

    def judge(place: Place, certificate: Certificate) -> Result:
        now = subject.now()
        if certificate.not_after <= now:
            return fail(f"{place.name}: it expired at {certificate.not_after:%Y-%m-%d %H:%MZ}", "certd renew --force")
        if certificate.not_before > now - CLOCKS:
            words = (
                f"{place.name}: valid since {certificate.not_before:%H:%M:%SZ} only: a clock that is behind refuses it"
            )
            return warn(words, "wait five minutes")
        left = (certificate.not_after - now) / certificate.life
        if left < left_of_life(HALF):
            share = in_words(left_of_life(HALF))
            return warn(f"{place.name}: less than {share} of its life is left", "see `certd status`")
        return well(f"{place.name}: until {certificate.not_after:%Y-%m-%d %H:%MZ}")

    return _each(subject, judge)


def pair_chain(subject: Subject) -> Result:
    """B5: its chain leads to a root that clients know."""

    def judge(place: Place, certificate: Certificate) -> Result:
        trust = subject.chart.trust if subject.chart else None
        if trust is None:
            return skip("which roots count is not known")
        try:
            trust.verify(certificate.chain_pem, subject.now())
        except GateRefused as error:
            return fail(f"{place.name}: {error}", "see issuer.NAME.roots, or order by another issuer")
        return well(f"{place.name}: its chain is trusted")

    return _each(subject, judge)


def pair_keysize(subject: Subject) -> Result:
    """B6: every target takes such a key."""

    def judge(place: Place, certificate: Certificate) -> Result:
        kind = public_key_type(load_chain(certificate.chain_pem)[0].public_key())
        if subject.chart and subject.chart.is_cdn and kind not in CDN_KEYS:
            return warn(f"{place.name}: {kind}, which not every CDN takes", 'key = "ecdsa-p256" or "rsa-2048"')
        return well(f"{place.name}: {kind}")

    return _each(subject, judge)


def file_mode(subject: Subject) -> Result:
    """B7: no stranger reads the key, and the proxy's user can."""

    def judge(place: Place, certificate: Certificate) -> Result:
        for path in place.target.key_files(certificate):
            try:
                mode = stat.S_IMODE(path.stat().st_mode)
            except OSError as error:
                return fail(f"{path}: {error.strerror}", _REPAIR)
            if mode & 0o007:
                return fail(f"{path} has mode {mode:04o}: everybody on this host reads the key", f"chmod 640 {path}")
        if not place.target.kept_files.has_readers and KINDS[place.kind].reads_as_user:
            return warn(
                f"{place.name}: only {subject.chart.user if subject.chart else 'certd'} may read the key, and "
                f"{place.kind} reads it as a user of its own",
                f"groupadd --system certd-read, and put {place.kind}'s user into it",
            )
        return well(f"{place.name}: keys are closed to strangers")

    return _each(subject, judge)


def file_atomic(subject: Subject) -> Result:
    """B8: a pointer can be replaced by rename, and the proxy sees that."""
    chart = subject.chart
    if chart is None or chart.blind:
        return skip(chart.blind if chart else "the host is in no configuration")
    mounted = _mounts()
    for place in chart.places:
        folder = place.target.kept_files.pointers
        if not folder.is_dir():
            return skip(f"{place.name}: nothing is published yet")
        if not os.access(folder, os.W_OK | os.X_OK):
            return fail(f"{folder}: {chart.user} may not write there", f"chown it to {chart.user}")
        files = [Path(path.replace("{link}", subject.desired.link)) for path in copies_of(place)]
        # By the mounts, not by the pointers: there are ten thousand of those where there are as many links.
        found = sorted(each for each in mounted if each.parent == folder or each in files)
        if found:
            return fail(
                f"{found[0]} is mounted by itself: a replaced file is never seen through such a mount",
                f"mount {found[0].parent} instead",
            )
    return well("pointers are replaced by rename in their own folders")


def copies_of(place: Place) -> list[str]:
    """The paths of the operator's own that copies go to."""
    return [*place.target.kept_files.copies]


def _mounts() -> frozenset[Path]:
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(Path(line.split(" ")[4]) for line in lines if len(line.split(" ")) > 4)


def store_writable(subject: Subject) -> Result:
    """B9: the store can be written."""
    chart = subject.chart
    if chart is None or chart.blind:
        return skip("the state cannot be read" if chart is not None else "the host is in no configuration")
    if chart.store_obstacles:
        return fail(
            f"{'; '.join(chart.store_obstacles)}: certd can neither order nor deploy anything",
            "free some space, or make the file system writable again",
        )
    return well("nothing keeps certd from writing its store")

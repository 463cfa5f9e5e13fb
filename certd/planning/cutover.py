"""The switch of a link's CNAME from the e-mail service to the proxy, as an order of steps. Pure.

A step is done when it was seen to be true; the first that is not is the one to do now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from certd.clicks.model import ClickLook, CutoverNotes, Direction, Leg, Pointing
from certd.model import Esp

# A record with such a TTL can be moved, and moved back, within minutes.
SHORT_TTL = 300
ADVISED_TTL = 60


class Progress(StrEnum):
    """Of one step."""

    DONE = "done"
    NOW = "now"
    LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of them.

    Attributes:
        words: What was seen.
        do: What to do about it, line by line.
        until: When it comes true by waiting; None where waiting does nothing.
    """

    title: str
    progress: Progress = Progress.LATER
    words: str = ""
    do: tuple[str, ...] = ()
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """What one name server or resolver says, and where that leads."""

    pointing: Pointing
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that was seen.

    Attributes:
        unknown_host: Why the e-mail service does not know the host; empty when it does.
        own: What the proxies here show and answer.
        authoritative: Every authoritative server.
        public: Public resolvers.
        target: The name or address to point at; empty where the configuration does not say it.
    """

    host: str
    esp: Esp | None
    look: ClickLook
    unknown_host: str = ""
    own: tuple[Leg, ...] = ()
    authoritative: tuple[Voice, ...] = ()
    public: tuple[Voice, ...] = ()
    target: str = ""


def noted(notes: CutoverNotes, evidence: Evidence, now: datetime) -> CutoverNotes:
    """What is remembered after a look: how long old answers live, since when the TTL is short, since when it moved."""
    ttl = _ttl(evidence)
    if ttl is None:
        return notes
    if _all_here(evidence.authoritative):
        return replace(notes, moved_at=notes.moved_at or now)
    if ttl > SHORT_TTL:
        return replace(notes, old_ttl=ttl, lowered_at=None, moved_at=None)
    # A short TTL counts from when it was first seen; what it was before is waited out.
    return replace(notes, old_ttl=max(notes.old_ttl, ttl), lowered_at=notes.lowered_at or now, moved_at=None)


def steps(evidence: Evidence, notes: CutoverNotes, now: datetime) -> tuple[Step, ...]:
    """The order of things, each with what was seen of it."""
    has_moved = notes.moved_at is not None
    made = [
        _branding(evidence),
        _proven(evidence),
        Step(title="lower the TTL", progress=Progress.DONE, words="the record has moved")
        if has_moved
        else _lowered(evidence, notes, now),
        _moved(evidence),
        _waited(notes, now),
        _everywhere(evidence),
        _clicked(evidence),
    ]
    # What comes after the first that is not done waits for it.
    first = next((index for index, step in enumerate(made) if step.progress is not Progress.DONE), len(made))
    made = [
        step
        if index < first or step.progress is Progress.DONE
        else replace(step, progress=Progress.NOW if index == first else Progress.LATER)
        for index, step in enumerate(made)
    ]
    return tuple(made)


def is_over(made: tuple[Step, ...]) -> bool:
    """Every step is done."""
    return all(step.progress is Progress.DONE for step in made)


def _branding(evidence: Evidence) -> Step:
    title = "validate the link branding at the e-mail service, once, and never again after the move"
    esp = evidence.esp
    if esp is None:
        return Step(title=title, words="no e-mail service is said for the link", do=('esp = "sendgrid" of the link',))
    do = (
        f"Set {evidence.host} up at {esp.name}, let its CNAME point there, and press Verify once.",
        "After the CNAME has moved a second validation fails, and links stop working: certd never asks for one.",
    )
    if evidence.unknown_host:
        return Step(title=title, words=evidence.unknown_host, do=do)
    through = [leg for leg in (*evidence.own, *evidence.look.legs) if leg.status and not leg.click]
    if status := evidence.look.upstream_status:
        seen = f"it answers {status} for this host"
    elif through:
        seen = f"it cannot be asked from here, and its answer through {through[0].address} is {through[0].status}"
    else:
        # No evidence is no proof: a branding that nobody validated is lost with the move.
        words = f"not known: from here neither {esp.name} nor a proxy answers for {evidence.host}"
        return Step(title=title, words=words, do=(*do, "Run this again where the proxy or the service can be reached."))
    return Step(title=title, progress=Progress.DONE, words=f"{esp.name} knows {evidence.host}: {seen}", do=do)


def _unseen(legs: Iterable[Leg]) -> str:
    """The addresses of which nothing was seen, in words; empty where something was seen of each."""
    unseen = [leg.address for leg in legs if leg.cannot_see or not (leg.status or leg.fingerprint)]
    return f"not known: nothing is seen of {', '.join(unseen)} from here" if unseen else ""


def curl(host: str, address: str, path: str) -> str:
    """The line by which anybody sees the link at one address, without changing DNS."""
    place, _, port = address.rpartition(":")
    where = f"{host}:{port}" if port != "443" else host
    named = f" -H 'Host: {host}'" if port != "443" else ""
    return f"curl -sSv --resolve {host}:{port}:{place}{named} 'https://{where}{path}' -o /dev/null"


def _proven(evidence: Evidence) -> Step:
    title = "certificate and click proven at each proxy"
    path = evidence.esp.probe if evidence.esp else "/"
    do = tuple(curl(evidence.host, leg.address, path) for leg in evidence.own)
    if not evidence.own:
        return Step(title=title, words="nothing answers at the endpoints of its proxies", do=("start the proxy",))
    wrong = [f"{leg.address}: {leg.certificate or leg.click}" for leg in evidence.own if leg.certificate or leg.click]
    if wrong:
        return Step(title=title, words="; ".join(wrong), do=(*do, "`certd check` says what to do"))
    if unseen := _unseen(evidence.own):
        return Step(title=title, words=unseen, do=(*do, "Run this again where the proxy can be reached."))
    words = ", ".join(f"{leg.address} shows a valid certificate and answers {leg.status}" for leg in evidence.own)
    return Step(title=title, progress=Progress.DONE, words=words, do=do)


def _ttl(evidence: Evidence) -> int | None:
    return max((voice.pointing.ttl for voice in evidence.authoritative if voice.pointing.ttl is not None), default=None)


def _lowered(evidence: Evidence, notes: CutoverNotes, now: datetime) -> Step:
    title, ttl = "lower the TTL", _ttl(evidence)
    do = (f"Set the TTL of {evidence.host} to {ADVISED_TTL}, and leave the record itself as it is.",)
    if ttl is None:
        return Step(title=title, words="no authoritative server says its TTL", do=do)
    if ttl > SHORT_TTL:
        return Step(title=title, words=f"it is {ttl} s: a switch, and the way back, would take as long", do=do)
    out = (notes.lowered_at or now) + timedelta(seconds=notes.old_ttl)
    if notes.old_ttl > SHORT_TTL and now < out:
        words = f"it is {ttl} s; the old one ({notes.old_ttl} s) is out at {out:%H:%M:%SZ}"
        return Step(title=title, words=words, do=(f"Wait until {out:%Y-%m-%d %H:%M:%SZ}.",), until=out)
    return Step(title=title, progress=Progress.DONE, words=f"it is {ttl} s", do=do)


def _moved(evidence: Evidence) -> Step:
    title = "move only the first CNAME"
    target = evidence.target or "the name of your proxy"
    do = [f"{evidence.host}.  {ADVISED_TTL}  IN  CNAME  {target}{'.' if evidence.target else ''}"]
    if evidence.esp is not None and evidence.esp.owner_record:
        do.append(
            f"Leave the second record of the link branding (a number before your domain) at {evidence.esp.hosts[0]}."
        )
    voices = [voice for voice in evidence.authoritative if not voice.pointing.trouble]
    here = [voice for voice in voices if voice.direction is Direction.HERE]
    if voices and len(here) == len(voices):
        return Step(
            title=title,
            progress=Progress.DONE,
            words=f"all {len(voices)} authoritative answers lead here",
            do=tuple(do),
        )
    if here:
        rest = ", ".join(voice.pointing.speaker for voice in voices if voice not in here)
        return Step(
            title=title, words=f"{len(here)} of {len(voices)} authoritative answers lead here; not {rest}", do=tuple(do)
        )
    return Step(title=title, words=evidence.look.words, do=tuple(do))


def _waited(notes: CutoverNotes, now: datetime) -> Step:
    title = "wait out the old TTL"
    if notes.moved_at is None:
        return Step(title=title, words=f"{notes.old_ttl} s after the move" if notes.old_ttl else "after the move")
    out = notes.moved_at + timedelta(seconds=min(notes.old_ttl, SHORT_TTL) if notes.lowered_at else notes.old_ttl)
    if now < out:
        return Step(
            title=title,
            words=f"old answers may be kept until {out:%H:%M:%SZ}",
            do=(f"Keep everything as it is until {out:%Y-%m-%d %H:%M:%SZ}.",),
            until=out,
        )
    return Step(title=title, progress=Progress.DONE, words=f"it moved at {notes.moved_at:%Y-%m-%d %H:%M:%SZ}")


def _all_here(voices: tuple[Voice, ...]) -> bool:
    heard = [voice for voice in voices if not voice.pointing.trouble]
    return bool(heard) and all(voice.direction is Direction.HERE for voice in heard)


def _everywhere(evidence: Evidence) -> Step:
    title = "seen at every authoritative server and by public resolvers"
    voices = (*evidence.authoritative, *evidence.public)
    silent = [voice.pointing.speaker for voice in voices if voice.pointing.trouble]
    away = [
        voice.pointing.speaker
        for voice in voices
        if not voice.pointing.trouble and voice.direction is not Direction.HERE
    ]
    heard = [voice for voice in evidence.public if not voice.pointing.trouble]
    if away:
        return Step(title=title, words=f"not yet by {', '.join(away)}", do=("Wait: they keep the old answer a while.",))
    if not _all_here(evidence.authoritative):
        return Step(title=title, words="no authoritative server says so", do=("Look from another network.",))
    if evidence.public and not heard:
        return Step(
            title=title,
            words=f"no public resolver answers from here: {', '.join(silent)}",
            do=("Look from another network, or set network.public_resolvers.",),
        )
    words = f"by {', '.join(voice.pointing.speaker for voice in voices if not voice.pointing.trouble)}"
    return Step(title=title, progress=Progress.DONE, words=words + (f"; silent: {', '.join(silent)}" if silent else ""))


def _clicked(evidence: Evidence) -> Step:
    title = "a click by the public name comes back as the e-mail service's own"
    look = evidence.look
    public = [leg for leg in look.legs if leg.is_public]
    wrong = [f"{leg.address}: {leg.certificate or leg.click}" for leg in public if leg.certificate or leg.click]
    if look.direction is not Direction.HERE or not public:
        return Step(title=title, words=look.words)
    if wrong or look.upstream:
        return Step(title=title, words="; ".join(wrong) or look.upstream, do=("`certd check` says what to do",))
    if unseen := _unseen(public):
        return Step(title=title, words=unseen, do=("Look from another network.",))
    words = ", ".join(f"{leg.address} answers {leg.status}" for leg in public)
    return Step(title=title, progress=Progress.DONE, words=words)


def addressee(esp: Esp | None) -> str:
    """Whom the mail goes to: whoever the account is with, which may pass it on."""
    if esp is None:
        return "the support of the e-mail service"
    if esp.sends_by:
        return f"the support of {esp.name}, which passes it on to {esp.sends_by}"
    return f"{'your CleverTap contact, or ' if esp.owner_record else ''}the support of {esp.name}"


def mail(evidence: Evidence, notes: CutoverNotes, issuer: str) -> str:
    """The mail to support, filled in with the evidence. What CleverTap and SendGrid ask for: that the branding was
    validated, that DNS leads to the proxy and not to them, that TLS ends there with a valid certificate.
    """
    esp, look, host = evidence.esp, evidence.look, evidence.host
    public = [leg for leg in look.legs if leg.is_public]
    speakers = [
        voice.pointing.speaker for voice in (*evidence.authoritative, *evidence.public) if not voice.pointing.trouble
    ]
    upstream = esp.upstream if esp else ""
    moved = f"{notes.moved_at:%Y-%m-%d %H:%M:%SZ}" if notes.moved_at else "now"
    lines = [
        f"To: {addressee(esp)}",
        f"Subject: please switch SSL click and open tracking on for {host}",
        "",
        f"Our link domain {host} is served over HTTPS by a proxy of ours (custom SSL configuration).",
        "Please test it, and switch SSL on for click AND open tracking.",
        "",
        f"- Link branding: {host}, validated with you before the switch. Please do not validate it again: its",
        "  CNAME leads to our proxy now, so a validation would fail.",
        f"- DNS: {host} -> {', '.join((*look.pointing.aliases, *look.pointing.addresses))}, since {moved},",
        f"  as seen by {', '.join(speakers)}.",
    ]
    for leg in public:
        until = f"{leg.not_after:%Y-%m-%d}" if leg.not_after else "-"
        lines.append(f"- Certificate at {leg.address}: valid until {until}, SHA-256 {leg.fingerprint}.")
    lines += [
        f"  Issued by {issuer or 'a public CA'}, for {host}; it is renewed by itself.",
        f"- Proxy: every request, on ports 80 and 443, goes to {upstream} with Host: {host}; https://{host}"
        f"{esp.probe if esp else '/'} answers",
        f"  {public[0].status if public else '-'}, as {upstream} itself does.",
    ]
    if esp is not None and esp.support:
        lines += ["", f"(For you: {esp.support}.)"]
    return "\n".join(lines)

"""D and E: HTTP on the link host, and the e-mail service behind it."""

from __future__ import annotations

import json
import re
import socket
from urllib.parse import urlsplit

from certd.clicks.judge import GATEWAY, wrong_with_answer, wrong_with_click
from certd.clicks.model import Response
from certd.diagnosis.findings import Result, fail, skip, warn, well
from certd.diagnosis.subject import PROBE_AGENT, Subject

NASTY = "/f/a/Hc%2Fv1//nw~~/A%41%3D+b%20c/?target=http%3A%2F%2Fx.example%2F"
MOST_ASSOCIATION = 128 * 1024
APPLE = ("/apple-app-site-association", "/.well-known/apple-app-site-association")
ANDROID = "/.well-known/assetlinks.json"
_MAX_AGE = re.compile(r"max-age=(\d+)")


def _nothing(subject: Subject, *, needs_esp: bool = True) -> Result | None:
    """Why nothing of HTTP can be judged."""
    if needs_esp and subject.desired.esp is None:
        return skip("no e-mail service is said", 'esp = "sendgrid" of the link, or --esp')
    if not subject.addresses():
        return skip(
            "it points at the e-mail service, and there is no endpoint here to ask"
            if subject.is_at_service()
            else "there is no address to ask"
        )
    answer = subject.through()
    if answer.trouble:
        return skip(f"no answer: {answer.trouble}")
    return None


def plain(subject: Subject) -> Result:
    """D1: links of old mails by plain http still work, without a redirect that is hard to undo."""
    if (why := _nothing(subject)) is not None:
        return why
    answer, by_tls = subject.through(tls=False), subject.through()
    if answer.trouble:
        return fail(f"port 80: {answer.trouble}", "forward port 80 as port 443: mails sent long ago hold http links")
    if answer.status in {301, 308} and _is_here(subject, answer):
        return warn(
            f"port 80 redirects for good ({answer.status}): browsers keep that, it is hard to undo",
            "forward http links as https ones, as `certd proxy-config` does",
        )
    if answer.status in {302, 307} and _is_here(subject, answer):
        return well(f"port 80 redirects to https for the time being ({answer.status})")
    if answer.status != by_tls.status:
        return fail(f"port 80 answers {answer.status}, port 443 {by_tls.status}", "forward both alike")
    return well(f"port 80 forwards as port 443 does ({answer.status})")


def _is_here(subject: Subject, answer: Response) -> bool:
    return _host_of(answer.headers.get("location", "")) == subject.desired.host


def _host_of(place: str) -> str:
    """Empty for what is no address."""
    try:
        return urlsplit(place).hostname or ""
    except ValueError:
        return ""


def _number(text: str) -> int:
    """Zero for what is none; of one that has no end its first digits are large enough."""
    return int(text[:15]) if text.isascii() and text.isdigit() else 0


def root(subject: Subject) -> Result:
    """D2: the host's root is no server error."""
    if (why := _nothing(subject, needs_esp=False)) is not None:
        return why
    answer = subject.through("/")
    if answer.status >= 500:
        return fail(f"https://{subject.desired.host}/ answers {answer.status}", "see the proxy's error log")
    return well(f"it answers {answer.status}" if answer.status else f"no answer: {answer.trouble}")


def host(subject: Subject) -> Result:
    """D3: the proxy keeps the Host."""
    esp = subject.desired.esp
    if (why := _nothing(subject)) is not None or esp is None:
        return why or skip("no e-mail service is said")
    through, direct = subject.through(), subject.direct()
    for text, _ in esp.signs:
        if text.lower() in through.body.lower():
            if text.lower() in direct.body.lower():
                return skip("the e-mail service itself does not know the host: see up.direct")
            return fail(
                f'the e-mail service answers "{text}": the proxy is not sending Host: {subject.desired.host}',
                "proxy_set_header Host $host, or what your proxy calls it: `certd proxy-config`",
            )
    return (
        well("the e-mail service knows the host through the proxy")
        if esp.signs
        else skip(f"{esp.name} has no known sign of a lost Host: see up.through")
    )


def no_cache(subject: Subject) -> Result:
    """D4: no click is answered from a cache."""
    if (why := _nothing(subject)) is not None:
        return why
    first, second = subject.through(), subject.through(agent="certd/second")
    for answer in (first, second):
        headers = answer.headers
        if "age" in headers or any("hit" in headers.get(name, "").lower() for name in ("x-cache", "cf-cache-status")):
            return warn(
                "it is answered from a cache: clicks are not counted, and one reader's link is another's",
                "let the proxy or CDN cache nothing of this host",
            )
        control = headers.get("cache-control", "").lower()
        age = _MAX_AGE.search(control)
        if 300 <= answer.status < 400 and "public" in control and age and _number(age[1]) > 10:
            return warn(f"a redirect may be kept by others ({control})", "TTL 0 for this host in the CDN")
    return well("two clicks, none from a cache")


def path_exact(subject: Subject) -> Result:
    """D5: a path with %2F, //, ~~ and + comes to the same answer through the proxy as without it."""
    if (why := _nothing(subject)) is not None:
        return why
    direct = subject.direct(NASTY)
    if direct.trouble:
        return skip(f"the e-mail service cannot be asked from here: {direct.trouble}")
    through = subject.through(NASTY)
    echo = direct.headers.get("location", ""), through.headers.get("location", "")
    if through.status != direct.status or (NASTY in echo[0]) != (NASTY in echo[1]):
        return warn(
            f"a path with %2F and // comes to {through.status or through.trouble} through the proxy, and to "
            f"{direct.status} without it",
            "pass paths as they are: see `certd proxy-config`",
        )
    return well(f"a path with %2F, //, ~~ and + comes to the same answer ({through.status})")


def methods(subject: Subject) -> Result:
    """D6: HEAD and POST reach the e-mail service (one-click unsubscribe is a POST)."""
    if (why := _nothing(subject)) is not None:
        return why
    for method in ("HEAD", "POST"):
        direct, through = subject.direct(method=method), subject.through(method=method)
        if through.status in {405, 501} and direct.status not in {405, 501}:
            return fail(f"{method} is refused ({through.status})", "let the proxy forward every method")
    return well("HEAD and POST are forwarded")


def headers(subject: Subject) -> Result:
    """D7: no header of the proxy's own that outlives it."""
    if (why := _nothing(subject)) is not None:
        return why
    answer, direct = subject.through(), subject.direct()
    policy = answer.headers.get("strict-transport-security", "").lower()
    if "includesubdomains" in policy:
        return warn(
            "it sends Strict-Transport-Security with includeSubDomains",
            "leave includeSubDomains out: what is below this host would be bound, too",
        )
    for name in ("set-cookie", "alt-svc"):
        if name in answer.headers and name not in direct.headers and not direct.trouble:
            return warn(f"the proxy adds {name}: {answer.headers[name][:60]}", f"let it add no {name} on this host")
    return well("nothing is added that outlives a click")


def waf(subject: Subject) -> Result:
    """D8: image proxies and readers without a name are not challenged."""
    if (why := _nothing(subject)) is not None:
        return why
    usual = subject.through()
    for agent, who in ((PROBE_AGENT, "Google's image proxy"), ("-", "a client without a name")):
        answer = subject.through(agent=agent)
        if answer.status in {403, 429, 503} and usual.status not in {403, 429, 503}:
            return warn(
                f"{who} is refused ({answer.status}): opens are not counted",
                "switch bot protection, challenges and rate limits off for this host",
            )
    return well("image proxies are answered")


def _association(subject: Subject, paths: tuple[str, ...], platform: str) -> Result:
    wanted = subject.chart.associations if subject.chart else {}
    if platform not in wanted:
        return skip(f"no association file for {platform} is configured")
    for path in paths:
        answer = subject.through(path)
        if answer.trouble:
            return skip(f"no answer: {answer.trouble}")
        hint = "let the proxy serve the file itself: `certd proxy-config` shows how"
        if 300 <= answer.status < 400:
            return fail(f"{path} is redirected ({answer.status}): phones refuse that", hint)
        if answer.status != 200:
            return fail(f"{path} answers {answer.status}", hint)
        if "application/json" not in answer.headers.get("content-type", ""):
            return fail(f"{path} is of type {answer.headers.get('content-type', 'none')}", "send application/json")
        if _number(answer.headers.get("content-length", "")) > MOST_ASSOCIATION:
            return fail(f"{path} is larger than 128 KiB", "make it smaller")
        try:
            json.loads(answer.body)
        except ValueError:
            if len(answer.body) < 8192:
                return fail(f"{path} is not JSON", "correct the file")
    return well(f"{' and '.join(paths)} are served")


def apple(subject: Subject) -> Result:
    """D9: Apple finds its association file at both places."""
    return _association(subject, APPLE, "apple")


def android(subject: Subject) -> Result:
    """D10: Google finds its."""
    return _association(subject, (ANDROID,), "android")


def apple_paths(subject: Subject) -> Result:
    """D11: SendGrid's universal links are listed, and not every link opens the app."""
    if _association(subject, APPLE[:1], "apple").grade != "pass":
        return skip("no association file for apple is served")
    esp = subject.desired.esp
    body = subject.through(APPLE[0]).body
    if '"*"' in body.replace(" ", "") and "/uni/" not in body:
        return warn("its paths hold *: every click would open the app", 'list "/uni/*" alone')
    if esp is not None and esp.name.startswith("sendgrid") and "/uni/" not in body:
        return warn("SendGrid's universal links (/uni/*) are not listed", 'add "/uni/*" to its paths')
    return well("its paths fit")


# ------------------------------------------------------------------------------------ the e-mail service


def upstream_dns(subject: Subject) -> Result:
    """E1: the e-mail service's name has addresses."""
    if subject.desired.esp is None:
        return skip("no e-mail service is said", 'esp = "sendgrid" of the link, or --esp')
    name = urlsplit(subject.desired.esp.upstream).hostname or ""
    try:
        found = sorted({str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    except OSError as error:
        return warn(
            f"{name} cannot be resolved here ({error.strerror})", "see this host's resolvers; the proxy needs it"
        )
    return well(f"{name}: {', '.join(found[:4])}")


def upstream_tls(subject: Subject) -> Result:
    """E2: it shows a certificate for its own name."""
    if subject.desired.esp is None:
        return skip("no e-mail service is said")
    if not subject.desired.esp.upstream.startswith("https:"):
        return skip("it is asked by plain HTTP")
    answer = subject.direct()
    if answer.trouble.startswith(("its certificate", "TLS")):
        return fail(
            f"{subject.desired.esp.upstream}: {answer.trouble}", "somebody intercepts it, or esp.NAME.upstream is wrong"
        )
    return skip(answer.trouble) if answer.trouble else well("its certificate is its own")


def upstream_direct(subject: Subject) -> Result:
    """E3: asked directly, the e-mail service knows the host."""
    esp = subject.desired.esp
    if esp is None:
        return skip("no e-mail service is said")
    answer = subject.direct()
    if answer.trouble:
        return skip(f"it cannot be asked from here: {answer.trouble}", "see network.https_proxy")
    if wrong := wrong_with_answer(answer, esp):
        return fail(
            f"the e-mail service does not know {subject.desired.host}: {wrong}",
            "set the link branding up there and validate it once, before the CNAME moves",
        )
    return well(f"{esp.upstream} answers {answer.status} for {esp.probe}")


def upstream_through(subject: Subject) -> Result:
    """E4: the same comes through the proxy."""
    esp = subject.desired.esp
    if (why := _nothing(subject)) is not None or esp is None:
        return why or skip("no e-mail service is said")
    through, direct = subject.through(), subject.direct()
    if not direct.trouble and wrong_with_answer(direct, esp):
        return skip("the e-mail service itself does not answer well: see up.direct")
    if wrong := wrong_with_click(through, direct, esp):
        hint = "the proxy's configuration: compare it with `certd proxy-config`"
        hint = (
            "let the proxy reach the e-mail service: DNS, firewall, its certificate"
            if through.status in GATEWAY
            else hint
        )
        return fail(f"through the proxy {wrong}", hint)
    return well(f"the e-mail service's own answer comes through ({through.status})")


def upstream_real(subject: Subject) -> Result:
    """E5: a real link of a mail redirects."""
    if not subject.sample:
        return skip("no real link was given", "--sample URL of a test mail")
    if (named := _host_of(subject.sample)) != subject.desired.host:
        return skip(f"the sample is of {named or 'no host'}")
    parts = urlsplit(subject.sample)
    answer = subject.through(f"{parts.path}{'?' + parts.query if parts.query else ''}")
    place = answer.headers.get("location", "")
    if 300 <= answer.status < 400 and place:
        return well(f"it redirects to {_host_of(place) or place[:200]}")
    return fail(f"it answers {answer.status or answer.trouble}, no redirect", "see up.direct and up.through")

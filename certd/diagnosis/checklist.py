"""Every check by name, in the order in which people read them; run side by side, none longer than all may take."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from certd.diagnosis import deploy, dns, files, http, policy, tls
from certd.diagnosis.findings import Finding, Result, fail, skip
from certd.diagnosis.subject import Subject
from certd.errors import CertdError

SECONDS = 9.5
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Check:
    """One check."""

    code: str
    group: str
    name: str
    judge: Callable[[Subject], Result]


DNS, STORED, TLS, HTTP = "DNS", "stored material", "TLS as served", "HTTP"
UPSTREAM, DEPLOY, POLICY = "upstream", "deploy path", "policy"

CHECKS: tuple[Check, ...] = (
    Check("A1", DNS, "dns.resolves", dns.resolves),
    Check("A2", DNS, "dns.target", dns.target),
    Check("A3", DNS, "dns.owner_record", dns.owner_record),
    Check("A4", DNS, "dns.consistency", dns.consistency),
    Check("A5", DNS, "dns.cname_shape", dns.cname_shape),
    Check("A6", DNS, "dns.ipv6", dns.ipv6),
    Check("A7", DNS, "dns.caa", dns.caa),
    Check("A8", DNS, "dns.acme_name", dns.acme_name),
    Check("A9", DNS, "dns.dangling", dns.dangling),
    Check("A10", DNS, "dns.dnssec", dns.dnssec),
    Check("A11", DNS, "dns.resolv_conf", dns.system_resolvers),
    Check("A12", DNS, "dns.own_record", dns.own_record),
    Check("A13", DNS, "dns.persist", dns.persist),
    Check("B1", STORED, "pair.match", files.pair_match),
    Check("B2", STORED, "pair.order", files.pair_order),
    Check("B3", STORED, "pair.names", files.pair_names),
    Check("B4", STORED, "pair.time", files.pair_time),
    Check("B5", STORED, "pair.chain", files.pair_chain),
    Check("B6", STORED, "pair.keysize", files.pair_keysize),
    Check("B7", STORED, "file.mode", files.file_mode),
    Check("B8", STORED, "file.atomic", files.file_atomic),
    Check("B9", STORED, "store.writable", files.store_writable),
    Check("C1", TLS, "tls.connect", tls.connect),
    Check("C2", TLS, "tls.valid", tls.valid),
    Check("C3", TLS, "tls.current", tls.current),
    Check("C4", TLS, "tls.all_workers", tls.all_workers),
    Check("C5", TLS, "tls.chain_sent", tls.chain_sent),
    Check("C6", TLS, "tls.no_sni", tls.no_sni),
    Check("C7", TLS, "tls.versions", tls.versions),
    Check("C8", TLS, "tls.days_left", tls.days_left),
    Check("C9", TLS, "tls.alpn", tls.alpn),
    Check("C10", TLS, "tls.caissuer", tls.ca_issuer),
    Check("D1", HTTP, "http.80", http.plain),
    Check("D2", HTTP, "https.root", http.root),
    Check("D3", HTTP, "http.host", http.host),
    Check("D4", HTTP, "http.no_cache", http.no_cache),
    Check("D5", HTTP, "http.path_exact", http.path_exact),
    Check("D6", HTTP, "http.methods", http.methods),
    Check("D7", HTTP, "http.headers", http.headers),
    Check("D8", HTTP, "http.waf", http.waf),
    Check("D9", HTTP, "aasa", http.apple),
    Check("D10", HTTP, "assetlinks", http.android),
    Check("D11", HTTP, "aasa.paths", http.apple_paths),
    Check("E1", UPSTREAM, "up.dns", http.upstream_dns),
    Check("E2", UPSTREAM, "up.tls", http.upstream_tls),
    Check("E3", UPSTREAM, "up.direct", http.upstream_direct),
    Check("E4", UPSTREAM, "up.through", http.upstream_through),
    Check("E5", UPSTREAM, "up.real", http.upstream_real),
    Check("F1", DEPLOY, "proxy.config_test", deploy.config_test),
    Check("F2", DEPLOY, "proxy.reads_our_file", deploy.reads_our_file),
    Check("F3", DEPLOY, "proxy.can_reload", deploy.can_reload),
    Check("F4", DEPLOY, "proxy.master_running", deploy.running),
    Check("F5", DEPLOY, "proxy.last_reload_ok", deploy.last_reload),
    Check("F6", DEPLOY, "proxy.restart_safe", deploy.restart_safe),
    Check("F7", DEPLOY, "user.rights", deploy.rights),
    Check("F8", DEPLOY, "proxy.includes", deploy.includes),
    Check("G1", POLICY, "hsts.parent", policy.hsts),
    Check("G2", POLICY, "renewal.window", policy.renewal),
    Check("G3", POLICY, "clock", policy.clock),
    Check("G5", POLICY, "esp.ssl_enabled", policy.ssl_enabled),
    Check("G6", POLICY, "esp.revalidate", policy.revalidate),
    Check("G7", POLICY, "alarms", policy.alarms),
)


def examine(
    subject: Subject, checks: Sequence[Check] = CHECKS, *, seconds: float = SECONDS, threads: int = AT_ONCE
) -> tuple[Finding, ...]:
    """Run the checks side by side; one that is not done in time is skipped, and says so. Never raises."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(checks)):
        waiting.put(index)
    done: queue.SimpleQueue[tuple[int, Finding]] = queue.SimpleQueue()
    end = time.monotonic() + seconds

    def work() -> None:
        while time.monotonic() < end:
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            done.put((index, _judged(checks[index], subject)))

    for number in range(min(threads, len(checks))):
        # Threads that are still busy at the end are left behind: they end by their own deadlines.
        threading.Thread(target=work, name=f"check-{number}", daemon=True).start()
    found: dict[int, Finding] = {}
    while len(found) < len(checks) and (left := end - time.monotonic()) > 0:
        try:
            index, finding = done.get(timeout=left)
        except queue.Empty:
            break
        found[index] = finding
    late = skip(f"not done within {seconds:g} s", "look at what is slow above, and check again")
    return tuple(
        found.get(index) or Finding(code=each.code, group=each.group, name=each.name, result=late)
        for index, each in enumerate(checks)
    )


def _judged(check: Check, subject: Subject) -> Finding:
    started = time.monotonic()
    try:
        result = check.judge(subject)
    except CertdError as error:
        result = fail(str(error), error.hint)
    except OSError as error:
        result = skip(f"it cannot be looked at: {error.filename or ''} {error.strerror or error}".strip())
    took = round((time.monotonic() - started) * 1000, 1)
    return Finding(code=check.code, group=check.group, name=check.name, result=result, milliseconds=took)

"""The table of deploy faults, and trying them: each said in words, nothing broken that worked, healed when it goes."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from certd.model import Deployment
from tests.lab.faults import (
    Fault,
    another_key,
    bind_again,
    bind_again_and_restart,
    bind_one_file,
    break_main,
    close_key,
    empty_disk,
    empty_pointer,
    fill_disk,
    firewall,
    freeze,
    hidden_server,
    hidden_server_ends,
    lose_generations,
    lose_socket,
    make_read_only,
    make_writable,
    mend_main,
    no_tls,
    open_transaction,
    other_proxy,
    ours_again,
    own_certificate,
    reload_over_and_over,
    restart,
    said,
    second_node,
    second_node_reloads,
    start,
    stop,
    table,
    table_back,
    tell_proxy_protocol,
    thaw,
    truncate,
    want_proxy_protocol,
    wrong_order,
)
from tests.lab.gallery import Gallery, Stage
from tests.lab.lateness import Told, told_in

HANGS = ["sh", "-c", "echo waiting for the lock; exec sleep 1000"]
WORDS_OF_A_STRANGER = said("nonsense_of_a_stranger", caddy="refuses the configuration")

# After the deadline, a fault is said within so many seconds, by certd's own log.
SECONDS_LATE = 5.0

# Those that only time tells: they must have been measured.
TIMED = (
    "a reload that does nothing",
    "a reload that hangs",
    "a reload that fails",
    "one node of several is left behind",
)
NAMED = ("nginx", "haproxy by its API", "haproxy by reload")

FAULTS: dict[str, Fault] = {
    # the proxy and its reload
    "another site's configuration is broken": Fault(break_main, end=mend_main, words=WORDS_OF_A_STRANGER),
    "a reload that does nothing": Fault(table(reload=["true"]), end=table_back, words=said("serves")),
    "a reload that hangs": Fault(
        table(reload=HANGS, deadline="2s"), end=table_back, words=said("did not end within 2 s: waiting for the lock")
    ),
    "a reload that fails": Fault(
        table(reload=["sh", "-c", "echo Job for proxy.service failed.; exit 1"]),
        end=table_back,
        words=said("Job for proxy.service failed."),
    ),
    "a check that hangs judges nothing": Fault(table(check=HANGS, deadline="2s"), end=table_back),
    "a check that is not there judges nothing": Fault(table(check=["/nonexistent/check"]), end=table_back),
    "the proxy is down": Fault(stop, end=start, words=said("nothing listens there"), unseen=True),
    "the proxy is frozen": Fault(freeze, end=thaw, words=said("no TLS answer within"), unseen=True),
    "the proxy is restarted in the middle": Fault(during=restart, unseen=True),
    "a stranger reloads in the middle": Fault(during=reload_over_and_over),
    "the runtime API is gone": Fault(
        lose_socket, end=restart, words=said("does not answer"), kinds=("haproxy by its API", "caddy"), unseen=True
    ),
    "a stranger's transaction is open": Fault(open_transaction, kinds=("haproxy by its API",)),
    # what serves
    "somebody else's certificate is configured": Fault(own_certificate, end=ours_again, words=said("serves")),
    "one node of several is left behind": Fault(second_node, end=second_node_reloads, words=said("serves")),
    "a hidden second server on the same address": Fault(
        hidden_server, end=hidden_server_ends, words=said("serves"), kinds=NAMED, unseen=True
    ),
    "the PROXY protocol is not declared": Fault(
        want_proxy_protocol,
        end=tell_proxy_protocol,
        words=said("proxy_protocol = true"),
        kinds=(*NAMED, "apache"),
        unseen=True,
    ),
    # the way to it
    "the endpoint of another proxy": Fault(
        other_proxy, end=table_back, words=said("serves a certificate for", caddy="TLS fails")
    ),
    "a firewall between certd and the endpoint": Fault(
        firewall, end=table_back, words=said("cannot be connected to (timed out)")
    ),
    "something that is not TLS answers": Fault(no_tls, end=table_back, words=said("TLS")),
    "the endpoint's name does not resolve": Fault(
        table(endpoints=["no-such-host.invalid:443"]), end=table_back, words=said("the name cannot be resolved")
    ),
    # the disk
    "a single file is mounted": Fault(
        bind_one_file,
        end=bind_again,
        words=said("serves"),
        mounts=True,
        kinds=("nginx", "haproxy by reload", "caddy", "apache"),
    ),
    "a single file is mounted, and HAProxy knows it by another name": Fault(
        bind_one_file,
        end=bind_again_and_restart,
        words=said("does not name"),
        mounts=True,
        kinds=("haproxy by its API",),
        unseen=True,
    ),
    "a folder that is not writable": Fault(
        make_read_only, end=make_writable, words=said("Read-only file system"), mounts=True
    ),
    "the disk is full": Fault(fill_disk, end=empty_disk, words=said("No space left on device"), mounts=True),
    "a key that does not match lies there": Fault(another_key, repaired=True),
    "a chain that is cut off lies there": Fault(truncate, repaired=True),
    "a chain in the wrong order lies there": Fault(wrong_order, repaired=True),
    "the generations are gone": Fault(lose_generations, repaired=True),
    "the pointer is empty": Fault(empty_pointer, repaired=True),
    "a key that the proxy's group cannot read": Fault(close_key, repaired=True),
}


def possible() -> dict[str, Fault]:
    """Those that this machine lets us try."""
    return {name: fault for name, fault in FAULTS.items() if not fault.mounts or may_mount()}


def may_mount() -> bool:
    """Mounting needs root, and more than some containers leave to it."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True).returncode == 0
        if mounted:
            subprocess.run(["umount", folder], check=True)
    return mounted


def try_all(folder: Path, kinds: Mapping[str, str]) -> dict[str, float]:
    """Each of these faults, side by side: said in words, nothing broken that worked, healed when it goes.

    Args:
        kinds: The kind of proxy for each fault.

    Returns:
        After how many seconds certd said it.
    """
    expected = {name: words_of(FAULTS[name], kind) for name, kind in kinds.items()}
    wrong: list[str] = []
    with Gallery(folder, kinds) as gallery:
        stages, names = gallery.stages, list(kinds)

        def is_served(name: str, known: Deployment) -> bool:
            return known.is_verified and known.served == fingerprints[name]

        def notes(title: str, left: list[str]) -> None:
            known = gallery.deployments()
            wrong.extend(f"{title}: {name}: {known[name].error!r} {known[name].hint!r}" for name in left)

        fingerprints = gallery.adopt(days=60)
        notes("never served", gallery.eventually(is_served, names))
        assert wrong == [], gallery.log()[-5000:]
        gallery.watch()

        for name in names:
            FAULTS[name].begin(gallery, stages[name])
        gallery.reload()
        repaired = [name for name in names if FAULTS[name].repaired]
        left = gallery.eventually(lambda name, known: is_served(name, known) and not gallery.damage(name), repaired)
        wrong += [f"not put right: {name}: {gallery.damage(name)}" for name in left]

        began, so_far = time.monotonic(), len(gallery.log())
        fingerprints = gallery.adopt(days=90)
        for name in names:
            FAULTS[name].during(gallery, stages[name])
        noted: dict[str, float] = {}

        def is_said(name: str, known: Deployment) -> bool:
            if expected[name] in f"{known.error} {known.hint}" and not known.is_verified:
                noted[name] = time.monotonic() - began
            return name in noted

        with_words = [name for name in names if expected[name]]
        notes("not said", gallery.eventually(is_said, with_words))
        shown = gallery.command("status", code=3).stdout
        wrong += [f"status does not say {expected[name]!r} of {name}" for name in noted if expected[name] not in shown]

        told = told_in(gallery.log()[so_far:].splitlines(), {s.link: s.name for s in stages.values()})
        wrong += late(told, {stage.link: (name, stage) for name, stage in stages.items()})

        for name in names:
            FAULTS[name].end(gallery, stages[name])
        gallery.reload()
        notes("does not heal", gallery.eventually(is_served, names, 120))
        for name in names:
            stage = stages[name]
            if not stage.accepts_proxy_protocol and not stage.shown(gallery.authority.pem):
                wrong.append(f"clients do not get it: {name}")
            if stage.troubles and not FAULTS[name].unseen:
                wrong.append(f"clients stumbled: {name}: {stage.troubles[:3]}")
        assert wrong == [], "\n".join([*wrong, gallery.log()[-8000:]])
        return noted


def late(told: Iterable[Told], stages: Mapping[str, tuple[str, Stage]]) -> list[str]:
    """What was said too late, or of what must be measured and was not.

    Args:
        stages: Fault and stage of each link.
    """
    found = []
    measured = set()
    for each in told:
        name, stage = stages[each.link]
        measured.add(name)
        if each.late > SECONDS_LATE:
            found.append(f"said {each.late:.1f} s after the deadline: {name}: {each.words}")
        deadline = float(str(stage.table.get("deadline", "60s")).removesuffix("s"))
        if each.took > deadline + SECONDS_LATE:
            found.append(f"a reload of {each.took:.1f} s, its deadline {deadline:g} s: {name}")
    there = {name for name, _ in stages.values()}
    return found + [f"never measured: {name}" for name in TIMED if name in there and name not in measured]


def words_of(fault: Fault, kind: str) -> str:
    """What certd is expected to say of a fault on this kind."""
    return fault.words.get(kind.partition(" ")[0], fault.words.get("", ""))

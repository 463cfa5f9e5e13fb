"""What goes wrong between a new certificate and clients, act by act; the table is in
:mod:`tests.lab.fault_table`.

``begin`` happens while the first certificate is served; then a second one arrives, ``during`` follows at once, and
``end`` when certd has said it. The words are those that the operator reads in ``certd status``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tests.lab.certificates import DAY, NOW, make_leaf
from tests.lab.gallery import KINDS, Gallery, Stage
from tests.lab.listeners import Hook
from tests.lab.ports import free_port

Act = Callable[[Gallery, Stage], None]


def nothing(gallery: Gallery, stage: Stage) -> None:
    """It needs none."""


@dataclass(frozen=True)
class Fault:
    """One row.

    Attributes:
        words: What certd says, by kind; "" for the others. Empty: it is tolerated, or put right, without a word.
        kinds: Where it can be.
        unseen: Whether clients may stumble meanwhile: it is the fault itself that they see.
        repaired: It is put right before the second certificate is there.
    """

    begin: Act = nothing
    during: Act = nothing
    end: Act = nothing
    words: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = KINDS
    unseen: bool = False
    repaired: bool = False
    mounts: bool = False


def said(words: str, **kinds: str) -> dict[str, str]:
    """The same words for all kinds but these presets."""
    return {"": words, **kinds}


def table(**words: object) -> Act:
    """Change its table in certd's configuration; the gallery has certd read it."""

    def act(gallery: Gallery, stage: Stage) -> None:
        for name, value in words.items():
            if name not in stage.kept:
                stage.kept[name] = stage.table.get(name)
            stage.table[name] = value

    return act


def table_back(gallery: Gallery, stage: Stage) -> None:
    """As it was."""
    for name, value in stage.kept.items():
        if value is None:
            stage.table.pop(name, None)
        else:
            stage.table[name] = value
    stage.kept.clear()


# ------------------------------------------------------------------------------------ the proxy


def break_main(gallery: Gallery, stage: Stage) -> None:
    """Somebody else writes nonsense into its configuration."""
    stage.good_main = stage.main.read_text()
    stage.main.write_text(stage.good_main + "\nnonsense_of_a_stranger on;\n")


def mend_main(gallery: Gallery, stage: Stage) -> None:
    """And takes it out again."""
    stage.main.write_text(stage.good_main)


def stop(gallery: Gallery, stage: Stage) -> None:
    stage.stop()


def start(gallery: Gallery, stage: Stage) -> None:
    stage.start()


def restart(gallery: Gallery, stage: Stage) -> None:
    stage.stop()
    stage.start()


def freeze(gallery: Gallery, stage: Stage) -> None:
    stage.freeze(signal.SIGSTOP)


def thaw(gallery: Gallery, stage: Stage) -> None:
    stage.freeze(signal.SIGCONT)


def reload_over_and_over(gallery: Gallery, stage: Stage) -> None:
    """Somebody else's configuration management."""
    for _ in range(4):
        stage.reload_by_stranger()
        time.sleep(0.3)


def lose_socket(gallery: Gallery, stage: Stage) -> None:
    (stage.folder / "admin.sock").unlink()


def open_transaction(gallery: Gallery, stage: Stage) -> None:
    """A stranger's, for our file: HAProxy 2.6 puts what comes next into it."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(stage.folder / "admin.sock"))
        leaf = make_leaf(gallery.authority, "stranger.example.test")
        text = leaf.pem + leaf.key.reveal()
        connection.sendall(f"set ssl cert {stage.pointer} <<\n{text}\n".encode())
        assert b"Transaction" in connection.recv(4096)


# ------------------------------------------------------------------------------------ what serves


def own_certificate(gallery: Gallery, stage: Stage) -> None:
    """Somebody puts a certificate that is good and ends sooner in the place of ours."""
    leaf = make_leaf(gallery.authority, stage.link, start=NOW - DAY, life=timedelta(days=20))
    chain, key = stage.folder / "own.pem", stage.folder / "own.key"
    chain.write_text(leaf.pem + gallery.authority.pem)
    key.write_text(leaf.key.reveal())
    stage.write_site(lines=stage.own_lines(chain, key))
    stage.reload_by_stranger()


def ours_again(gallery: Gallery, stage: Stage) -> None:
    stage.write_site()
    stage.reload_by_stranger()


def twin(gallery: Gallery, stage: Stage, *, port: int) -> Stage:
    """A second server with the same pointers, that certd's reload does not reach."""
    folder = stage.folder.with_name(f"{stage.name}-twin")
    made = Stage(stage.kind, stage.name, folder, stage.state, stage.link, tls=port)
    made.start()
    gallery.clean.append(made.stop)
    stage.twin = made
    return made


def second_node(gallery: Gallery, stage: Stage) -> None:
    second = twin(gallery, stage, port=free_port())
    table(endpoints=[f"127.0.0.1:{stage.tls}", f"127.0.0.1:{second.tls}"])(gallery, stage)


def second_node_reloads(gallery: Gallery, stage: Stage) -> None:
    assert stage.twin is not None
    stage.twin.reload_by_stranger()


def hidden_server(gallery: Gallery, stage: Stage) -> None:
    twin(gallery, stage, port=stage.tls)


def hidden_server_ends(gallery: Gallery, stage: Stage) -> None:
    assert stage.twin is not None
    stage.twin.stop()


def want_proxy_protocol(gallery: Gallery, stage: Stage) -> None:
    """The PROXY protocol is switched on at the proxy, and nobody tells certd."""
    stage.accepts_proxy_protocol = True
    stage.write_site()
    # A listener keeps how it accepts over a reload of some.
    stage.stop()
    stage.start()


def tell_proxy_protocol(gallery: Gallery, stage: Stage) -> None:
    stage.table["proxy_protocol"] = True


# ------------------------------------------------------------------------------------ the way to it


def other_proxy(gallery: Gallery, stage: Stage) -> None:
    other = next(each for each in gallery.stages.values() if each is not stage)
    table(endpoints=[f"127.0.0.1:{other.tls}"])(gallery, stage)


def firewall(gallery: Gallery, stage: Stage) -> None:
    """A listener whose queue is full: the kernel drops every further SYN, as a firewall does."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    address = listener.getsockname()
    waiting = []
    for _ in range(2):
        one = socket.socket()
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            one.connect(address)
        waiting.append(one)
    for each in (*waiting, listener):
        gallery.clean.append(each.close)
    table(endpoints=[f"127.0.0.1:{address[1]}"])(gallery, stage)


def no_tls(gallery: Gallery, stage: Stage) -> None:
    server = Hook()
    gallery.clean.append(lambda: server.__exit__(None, None, None))
    table(endpoints=[server.url.removeprefix("http://")])(gallery, stage)


# ------------------------------------------------------------------------------------ the disk


def bind_one_file(gallery: Gallery, stage: Stage) -> None:
    """As a container mounts one file: what is renamed into its place outside is never seen inside."""
    seen = stage.folder / "mounted.pem"
    seen.touch()
    gallery.mount("--bind", stage.pointer, on=seen)
    stage.write_site(lines=stage.include(seen))
    stage.reload_by_stranger()


def bind_again(gallery: Gallery, stage: Stage) -> None:
    seen = stage.folder / "mounted.pem"
    gallery.unmount(seen)
    gallery.mount("--bind", stage.pointer, on=seen)


def bind_again_and_restart(gallery: Gallery, stage: Stage) -> None:
    """HAProxy's API knows the file by another name than certd, so the operator has to restart it."""
    bind_again(gallery, stage)
    restart(gallery, stage)


def make_read_only(gallery: Gallery, stage: Stage) -> None:
    gallery.mount("--bind", str(stage.pointers), on=stage.pointers)
    subprocess.run(["mount", "-o", "remount,ro,bind", str(stage.pointers)], check=True, capture_output=True)


def make_writable(gallery: Gallery, stage: Stage) -> None:
    gallery.unmount(stage.pointers)


def fill_disk(gallery: Gallery, stage: Stage) -> None:
    """A disk of its own under the pointers, with not one block left."""
    aside = stage.folder / "aside"
    shutil.copytree(stage.pointers, aside)
    gallery.mount("-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", on=stage.pointers)
    shutil.copytree(aside, stage.pointers, dirs_exist_ok=True)
    with contextlib.suppress(OSError), (stage.pointers / ".filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def empty_disk(gallery: Gallery, stage: Stage) -> None:
    (stage.pointers / ".filler").unlink()


def another_key(gallery: Gallery, stage: Stage) -> None:
    """A key that does not match: Apache calls it fine and dies of it at the next reload."""
    key = make_leaf(gallery.authority, stage.link).key.reveal()
    for path in stage.generations.glob("[!.]*"):
        (path / "privkey.pem").write_text(key)
        (path / "combined.pem").write_text((path / "fullchain.pem").read_text() + key)
    if stage.preset == "haproxy":
        with open(stage.pointer, "a") as file:
            file.write(key)


def truncate(gallery: Gallery, stage: Stage) -> None:
    """As a disk leaves it after a power cut."""
    for path in stage.generations.glob("[!.]*/fullchain.pem"):
        os.truncate(path, 300)
    if stage.preset == "haproxy":
        os.truncate(stage.pointer, 300)


def wrong_order(gallery: Gallery, stage: Stage) -> None:
    """Somebody sorts the chain."""
    for path in stage.generations.glob("[!.]*/fullchain.pem"):
        blocks = path.read_text().split("-----END CERTIFICATE-----\n")[:-1]
        path.write_text("".join(f"{block}-----END CERTIFICATE-----\n" for block in reversed(blocks)))
    if stage.preset == "haproxy":
        empty_pointer(gallery, stage)


def lose_generations(gallery: Gallery, stage: Stage) -> None:
    shutil.rmtree(stage.generations)


def empty_pointer(gallery: Gallery, stage: Stage) -> None:
    open(stage.pointer, "w").close()


def close_key(gallery: Gallery, stage: Stage) -> None:
    """Somebody tidies up the modes."""
    for path in stage.generations.glob("[!.]*/privkey.pem"):
        path.chmod(0o600)
    os.chmod(stage.pointer, 0o600)

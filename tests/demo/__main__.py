"""Pebble with certificates of a minute, the responder as name server, nginx as ``certd proxy-config`` wrote it, a
stand-in for the e-mail service, ``certd run``, and a client that clicks every 50 ms and trusts nothing unverified.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from tests.demo.show import PlainShow, Show, TerminalShow
from tests.demo.watching import Watching
from tests.lab.clicker import Clicker, plain_click
from tests.lab.scene import DOMAIN, ROOT, Scene

LEAST = 90
LIFE = 60


class Ended(Exception):
    """Ctrl-C, or SIGTERM."""


def main() -> int:
    """Run the demo; the exit code says whether at least two renewals were served and no click failed."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--duration", type=int, default=120, help="seconds, at least 90")
    arguments = parser.parse_args()
    if arguments.duration < LEAST:
        print(f"demo: DURATION must be at least {LEAST} seconds: two renewals take that long", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    folder = ROOT / ".lab" / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    show: Show = TerminalShow() if sys.stdout.isatty() else PlainShow()
    scene = Scene(folder, life=LIFE)
    try:
        return run(scene, show, arguments.duration)
    except Ended:
        print("\ndemo: stopped; nothing is left running", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        scene.stop()


def run(scene: Scene, show: Show, duration: int) -> int:
    """Everything from the first process to the summary."""
    show.say("starting Pebble, the e-mail service and nginx (with a placeholder: nothing is issued yet)")
    scene.prepare()
    scene.nginx.start()
    early = plain_click(scene.plain, DOMAIN)
    show.say(f"a click over http before the first certificate: {early.trouble or 'forwarded'}")
    show.say("starting certd run")
    started = time.monotonic()
    certd = scene.start_certd()
    clicker = Clicker(scene.tls, DOMAIN, scene.roots)
    watching = Watching(scene, clicker, started)
    # Clicks are counted from the first certificate on: before it there is nothing that a client could trust.
    certd.wait_until(lambda: "served  " in certd.output(), seconds=30, what="the first certificate")
    show.say(f"the first certificate is served after {time.monotonic() - started:.1f} s; clicking every 50 ms")
    with clicker, show:
        while time.monotonic() - started < duration and certd.is_running():
            show.update(watching.look())
            time.sleep(0.5)
    ended = watching.look()
    is_alive = certd.is_running()
    certd.stop()
    show.summary(ended, early, is_alive=is_alive, folder=_shown(scene.folder))
    fine = ended.renewals >= 2 and not clicker.troubles and clicker.good > 0 and not early.trouble and is_alive
    return 0 if fine else 1


def _shown(folder: Path) -> str:
    return os.path.relpath(folder, ROOT)


def _end(number: int, frame: FrameType | None) -> None:
    raise Ended


if __name__ == "__main__":
    sys.exit(main())

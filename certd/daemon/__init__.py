"""The long-running process: workers, dispatching by APScheduler, signals, watchdog. It holds no truth of its own."""

from certd.daemon.run import Daemon

__all__ = ["Daemon"]

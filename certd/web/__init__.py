"""HTTP: the status page for people, the same as JSON for programs, health and readiness, and figures for Prometheus.

Read-only: nothing that is asked here changes anything, and no path of a request becomes a path of the file system.
"""

from certd.web.access import Access
from certd.web.server import WebServer
from certd.web.site import Site, Vitals
from certd.web.step_counter import StepCounter

__all__ = ["Access", "Site", "StepCounter", "Vitals", "WebServer"]

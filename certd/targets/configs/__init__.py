"""The proxy's side of a link, written out for the operator to include: one file for each kind of proxy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from certd.targets.configs.apache import apache
from certd.targets.configs.caddy import caddy
from certd.targets.configs.envoy import envoy
from certd.targets.configs.haproxy import haproxy
from certd.targets.configs.nginx import nginx, nginx_variable
from certd.targets.configs.site import DEFAULT_BUNDLE, Site
from certd.targets.configs.traefik import traefik

WRITERS: Mapping[str, Callable[[Site], str]] = {
    "nginx": nginx,
    "nginx-variable": nginx_variable,
    "haproxy": haproxy,
    "caddy": caddy,
    "apache": apache,
    "traefik": traefik,
    "envoy": envoy,
}

__all__ = ["DEFAULT_BUNDLE", "WRITERS", "Site"]

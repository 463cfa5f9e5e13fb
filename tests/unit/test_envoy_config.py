"""Envoy's bootstrap, as YAML reads it."""

from __future__ import annotations

from typing import Any

import yaml  # type: ignore[import-untyped, unused-ignore]

from certd.targets.kinds import envoy
from certd.targets.site import Site

SITE = {
    "link": "link.example.com",
    "domains": ("link.example.com", "*.go.example.com"),
    "pointer": "/p/link.yaml",
    "folder": "/p",
    "upstream": "https://sendgrid.net",
    "listen": (80, 443),
}


def written(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(envoy.configuration(Site(**(SITE | more))))["static_resources"]
    return found


def test_the_certificate_is_a_secret_in_a_watched_folder() -> None:
    """The TLS listener takes certd's pointer for the link's names; the plain one forwards without TLS."""
    plain, tls = written()["listeners"]
    (chain,) = tls["filter_chains"]
    assert chain["filter_chain_match"]["server_names"] == list(SITE["domains"])
    context = chain["transport_socket"]["typed_config"]["common_tls_context"]
    (secret,) = context["tls_certificate_sds_secret_configs"]
    assert secret["name"] == "link.example.com"
    source = secret["sds_config"]["path_config_source"]
    assert (source["path"], source["watched_directory"]["path"]) == ("/p/link.yaml", "/p")
    assert "transport_socket" not in plain["filter_chains"][0]
    assert "listener_filters" not in plain


def test_the_service_is_verified_by_its_own_name() -> None:
    """SNI and the verified name are the e-mail service's; by plain HTTP there is neither."""
    (cluster,) = written()["clusters"]
    context = cluster["transport_socket"]["typed_config"]
    assert context["sni"] == "sendgrid.net"
    (name,) = context["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"]
    assert name["matcher"]["exact"] == "sendgrid.net"
    (cluster,) = written(upstream="http://mailgun.org")["clusters"]
    assert "transport_socket" not in cluster
    (cluster,) = written(upstream="http://192.0.2.1:8080")["clusters"]
    assert cluster["type"] == "STATIC"


def test_what_is_said_besides() -> None:
    """The PROXY protocol, addresses, resolvers and association files stand where Envoy looks for them."""
    found = written(
        proxy_protocol=True,
        addresses=("192.0.2.1", "2001:db8::1"),
        resolvers=("192.0.2.53:53", "[2001:db8::53]:53"),
        associations={"apple": "/etc/aasa"},
    )
    for listener, filters in zip(found["listeners"], (1, 2), strict=True):
        assert listener["listener_filters"][0]["name"] == "envoy.filters.listener.proxy_protocol"
        assert len(listener["listener_filters"]) == filters
        assert listener["address"]["socket_address"]["address"] == "192.0.2.1"
        (more,) = listener["additional_addresses"]
        assert more["address"]["socket_address"]["address"] == "2001:db8::1"
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        routes = manager["route_config"]["virtual_hosts"][0]["routes"]
        assert [each["match"].get("path") for each in routes] == [
            "/apple-app-site-association",
            "/.well-known/apple-app-site-association",
            None,
        ]
    resolvers = found["clusters"][0]["typed_dns_resolver_config"]["typed_config"]["resolvers"]
    assert [each["socket_address"]["address"] for each in resolvers] == ["192.0.2.53", "2001:db8::53"]

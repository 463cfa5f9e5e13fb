"""Envoy: a bootstrap with two listeners; the certificate is a secret in a file of certd's, in a watched folder.

Envoy keeps the Host header and the path as they are, unless told otherwise; towards a TLS upstream it sends no SNI and
verifies nothing unless told. ``auto_sni`` would send the link's own name.
"""

from __future__ import annotations

import json
from textwrap import indent

from certd.targets.kind import ProxyKind
from certd.targets.pointers import Pointer, Source
from certd.targets.site import HEADER_KIB, Site

# A file that is answered with is read with the configuration; Envoy's own limit is 4 KiB.
MOST_ASSOCIATION_BYTES = 1048576

# Where to listen when nobody says it.
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 (a link is for everybody)

TYPE = "type.googleapis.com/envoy.extensions"


def configuration(site: Site) -> str:
    """A complete bootstrap. Raises UsageError."""
    site = site.checked()
    certificate = f"""\
transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    "@type": {TYPE}.transport_sockets.tls.v3.DownstreamTlsContext
    common_tls_context:
      tls_params: {{ tls_minimum_protocol_version: TLSv1_2 }}
      alpn_protocols: ["http/1.1"]
      tls_certificate_sds_secret_configs:
      - name: {json.dumps(site.link)}
        sds_config:
          resource_api_version: V3
          path_config_source:
            path: {json.dumps(site.pointer)}
            watched_directory: {{ path: {json.dumps(site.folder)} }}
"""
    names = json.dumps(list(site.domains))
    chosen = f"filter_chain_match: {{ server_names: {names} }}\n"
    return f"""\
# {site.link}: written by `certd proxy-config`; a bootstrap for `envoy -c`. Envoy takes each new certificate by itself:
# its user must be in the group that may read them. More links: a filter chain and a virtual host for each.
node: {{ id: certd, cluster: certd }}
static_resources:
  listeners:
{indent(_listener(site, "plain", site.listen[0], ""), "  ")}\
{indent(_listener(site, "tls", site.listen[1], chosen + certificate), "  ")}\
  clusters:
{indent(_cluster(site), "  ")}"""


def _listener(site: Site, name: str, port: int, chain: str) -> str:
    first, *more = site.addresses or EVERYWHERE
    places = "".join(f"  - address: {_place(address, port)}\n" for address in more)
    proxy = (
        f"""\
  - name: envoy.filters.listener.proxy_protocol
    typed_config: {{ "@type": {TYPE}.filters.listener.proxy_protocol.v3.ProxyProtocol }}
"""
        if site.proxy_protocol
        else ""
    )
    hello = (
        f"""\
  - name: envoy.filters.listener.tls_inspector
    typed_config: {{ "@type": {TYPE}.filters.listener.tls_inspector.v3.TlsInspector }}
"""
        if chain
        else ""
    )
    filters = proxy + hello
    return f"""\
- name: certd_{name}
  address: {_place(first, port)}
{"  additional_addresses:" + chr(10) + places if places else ""}\
{"  listener_filters:" + chr(10) + filters if filters else ""}\
  filter_chains:
  -
{indent(chain, "    ")}\
    filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        "@type": {TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: certd_{name}
        # The client's address is what connects, and goes to X-Forwarded-For; X-Forwarded-Proto follows the listener.
        use_remote_address: true
        # A tracked link is forwarded byte for byte.
        normalize_path: false
        merge_slashes: false
        path_with_escaped_slashes_action: KEEP_UNCHANGED
        max_request_headers_kb: {2 * HEADER_KIB}
        server_header_transformation: PASS_THROUGH
        generate_request_id: false
        http_filters:
        - name: envoy.filters.http.router
          typed_config:
            "@type": {TYPE}.filters.http.router.v3.Router
            suppress_envoy_headers: true
        route_config:
          ignore_port_in_host_matching: true
{indent(_forwarded_host(site), "          ")}\
          max_direct_response_body_size_bytes: {MOST_ASSOCIATION_BYTES}
          virtual_hosts:
          - name: certd_{site.label}
            domains: {json.dumps(list(site.domains))}
            routes:
{indent(_files(site), "            ")}\
            - match: {{ prefix: "/" }}
              route:
                cluster: certd_{site.label}
                timeout: 30s
                retry_policy: {{ retry_on: "connect-failure,reset-before-request", num_retries: 1 }}
"""


def _forwarded_host(site: Site) -> str:
    if not site.forwarded_host:
        return ""
    return """\
request_headers_to_add:
- header: { key: x-forwarded-host, value: "%REQ(:AUTHORITY)%" }
  append_action: OVERWRITE_IF_EXISTS_OR_ADD
"""


def _files(site: Site) -> str:
    return "".join(
        f"""\
- match: {{ path: {json.dumps(path)} }}
  direct_response: {{ status: 200, body: {{ filename: {json.dumps(file)} }} }}
  response_headers_to_add:
  - header: {{ key: content-type, value: application/json }}
    append_action: OVERWRITE_IF_EXISTS_OR_ADD
"""
        for path, file in site.local_files.items()
    )


def _cluster(site: Site) -> str:
    found = f"""\
- name: certd_{site.label}
  type: {"STATIC" if site.is_address else "STRICT_DNS"}
  connect_timeout: 5s
{"" if site.is_address else _resolved(site)}\
  load_assignment:
    cluster_name: certd_{site.label}
    endpoints:
    - lb_endpoints:
      - endpoint: {{ address: {_place(site.host, site.port)} }}
"""
    if site.is_tls:
        found += f"""\
  transport_socket:
    name: envoy.transport_sockets.tls
    typed_config:
      "@type": {TYPE}.transport_sockets.tls.v3.UpstreamTlsContext
      sni: {json.dumps(site.host)}
      common_tls_context:
        validation_context:
          trusted_ca: {{ filename: {json.dumps(site.ca_file)} }}
          match_typed_subject_alt_names:
          - {{ san_type: DNS, matcher: {{ exact: {json.dumps(site.host)} }} }}
"""
    return found


def _resolved(site: Site) -> str:
    """Envoy looks it up again every five seconds; by the system's resolvers unless others are said."""
    words = "  dns_lookup_family: V4_PREFERRED\n"
    if not site.resolvers:
        return words
    places = ", ".join(_place(*_split(each)) for each in site.resolvers)
    return (
        words
        + f"""\
  typed_dns_resolver_config:
    name: envoy.network.dns_resolver.cares
    typed_config:
      "@type": {TYPE}.network.dns_resolver.cares.v3.CaresDnsResolverConfig
      resolvers: [{places}]
"""
    )


def _split(place: str) -> tuple[str, int]:
    host, _, port = place.rpartition(":")
    return host.strip("[]"), int(port)


def _place(address: str, port: int) -> str:
    return f"{{ socket_address: {{ address: {json.dumps(address)}, port_value: {port} }} }}"


def _pointer(source: Source) -> str:
    """A secret for the file-based secret discovery service (SDS); Envoy watches this file's folder for renames."""
    return (
        "resources:\n"
        '  - "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n'
        f"    name: {json.dumps(source.link)}\n"
        "    tls_certificate:\n"
        f"      certificate_chain: {{ filename: {json.dumps(source.folder + '/fullchain.pem')} }}\n"
        f"      private_key: {{ filename: {json.dumps(source.folder + '/privkey.pem')} }}\n"
    )


KIND = ProxyKind(
    name="envoy",
    programs=("envoy",),
    check=(),
    watches=True,
    reads_as_user=True,
    pointer=Pointer(suffix=".yaml", body=_pointer),
    configuration=configuration,
)

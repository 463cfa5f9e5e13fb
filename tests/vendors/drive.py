"""Run in an environment of its own that has the vendors' clients and nothing of certd: drives one API, prints JSON.

usage: drive.py KIND URL TOKEN ZONE FOLDER, where FOLDER has one.pem, one.key, two.pem and two.key.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def cloudflare(url: str, token: str, zone: str, pairs: list[tuple[str, str]]) -> dict[str, object]:
    from cloudflare import Cloudflare

    client = Cloudflare(api_token=token, base_url=url, max_retries=0)
    (leaf, key), (leaf2, key2) = pairs
    made = client.custom_certificates.create(
        zone_id=zone, certificate=leaf, private_key=key, bundle_method="force", type="sni_custom"
    )
    edited = client.custom_certificates.edit(
        made.id, zone_id=zone, certificate=leaf2, private_key=key2, bundle_method="force"
    )
    held = client.custom_certificates.get(edited.id, zone_id=zone)
    listed = [each.id for each in client.custom_certificates.list(zone_id=zone)]
    return {"made": made.id, "edited": edited.id, "hosts": held.hosts, "status": held.status, "listed": listed}


def fastly(url: str, token: str, zone: str, pairs: list[tuple[str, str]]) -> dict[str, object]:
    import fastly as sdk
    from fastly.api import tls_activations_api, tls_certificates_api, tls_private_keys_api
    from fastly.model.relationship_member_tls_certificate import RelationshipMemberTlsCertificate
    from fastly.model.relationship_member_tls_domain import RelationshipMemberTlsDomain
    from fastly.model.relationship_tls_certificate_tls_certificate import RelationshipTlsCertificateTlsCertificate
    from fastly.model.relationship_tls_domain_tls_domain import RelationshipTlsDomainTlsDomain
    from fastly.model.relationships_for_tls_activation import RelationshipsForTlsActivation
    from fastly.model.tls_activation import TlsActivation
    from fastly.model.tls_activation_data import TlsActivationData
    from fastly.model.tls_certificate import TlsCertificate
    from fastly.model.tls_certificate_data import TlsCertificateData
    from fastly.model.tls_certificate_data_attributes import TlsCertificateDataAttributes
    from fastly.model.tls_private_key import TlsPrivateKey
    from fastly.model.tls_private_key_data import TlsPrivateKeyData
    from fastly.model.tls_private_key_data_attributes import TlsPrivateKeyDataAttributes

    configuration = sdk.Configuration(host=url)
    configuration.api_token = token

    def relations(certificate: str) -> object:
        return RelationshipsForTlsActivation(
            tls_certificate=RelationshipTlsCertificateTlsCertificate(
                data=RelationshipMemberTlsCertificate._from_openapi_data(id=certificate)
            ),
            tls_domain=RelationshipTlsDomainTlsDomain(
                data=RelationshipMemberTlsDomain._from_openapi_data(id="link.example.com")
            ),
        )

    with sdk.ApiClient(configuration) as client:
        keys = tls_private_keys_api.TlsPrivateKeysApi(client)
        certificates = tls_certificates_api.TlsCertificatesApi(client)
        activations = tls_activations_api.TlsActivationsApi(client)
        made = []
        for leaf, key in pairs:
            attributes = TlsPrivateKeyDataAttributes(key=key, name="by the client")
            made_key = keys.create_tls_key(
                tls_private_key=TlsPrivateKey(data=TlsPrivateKeyData(attributes=attributes)), _check_return_type=False
            )
            wanted = TlsCertificateDataAttributes(cert_blob=leaf, name="by the client")
            certificate = certificates.create_tls_cert(
                tls_certificate=TlsCertificate(data=TlsCertificateData(attributes=wanted)), _check_return_type=False
            )
            made.append((str(made_key["data"]["id"]), str(certificate["data"]["id"])))
        (old_key, old), (_, new) = made
        active = activations.create_tls_activation(
            tls_activation=TlsActivation(data=TlsActivationData(relationships=relations(old))), _check_return_type=False
        )
        activations.update_tls_activation(
            tls_activation_id=str(active["data"]["id"]),
            tls_activation=TlsActivation(data=TlsActivationData(relationships=relations(new))),
            _check_return_type=False,
        )
        found = activations.list_tls_activations(filter_tls_domain_id="link.example.com", _check_return_type=False)
        listed = certificates.list_tls_certs(_check_return_type=False)
        certificates.delete_tls_cert(tls_certificate_id=old)
        keys.delete_tls_key(tls_private_key_id=old_key)
    return {
        "new": new,
        "listed": sorted(str(each["id"]) for each in listed["data"]),
        "made": sorted(certificate for _, certificate in made),
        "active": [str(each["relationships"]["tls_certificate"]["data"]["id"]) for each in found["data"]],
    }


def keycdn(url: str, token: str, zone: str, pairs: list[tuple[str, str]]) -> dict[str, object]:
    from keycdn import keycdn as sdk

    client = sdk.Api(token)
    client.set_endpoint(url)
    (leaf, key), _ = pairs
    put = client.put(f"zones/{zone}.json", {"sslcert": "custom", "customsslcert": leaf, "customsslkey": key})
    return {"put": put["status"], "got": client.get(f"zones/{zone}.json")["status"]}


def main() -> None:
    kind, url, token, zone, folder = sys.argv[1:]
    pairs = [
        ((Path(folder) / f"{name}.pem").read_text(), (Path(folder) / f"{name}.key").read_text())
        for name in ("one", "two")
    ]
    drive = {"cloudflare": cloudflare, "fastly": fastly, "keycdn": keycdn}[kind]
    print(json.dumps(drive(url, token, zone, pairs), default=str))


if __name__ == "__main__":
    main()

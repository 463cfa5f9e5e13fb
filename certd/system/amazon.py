"""Requests to Amazon's APIs, signed by botocore (signature version 4) with AWS's usual chain of credentials.

The signature alone is botocore's: its client would log whole requests, private keys among them, where DEBUG is on, and
bounds no call as a whole.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from certd.errors import EgressFailed

MOST_WORDS = 200


class Signer:
    """Signs for one service in one region. botocore is imported at the first use.

    Args:
        service: As Amazon's signature names it, such as ``route53``.
        profile: Of ``~/.aws``; empty: the usual chain.
    """

    def __init__(self, service: str, region: str, profile: str = "") -> None:
        self._service = service
        self._region = region
        self._profile = profile
        self._session: Any = None

    def forget(self) -> None:
        """They were refused: the chain is read anew at the next attempt, in case they were rotated."""
        self._session = None

    def signed(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers with those that sign this request.

        Raises:
            EgressFailed: there are no credentials, or they cannot be had.
        """
        auth, awsrequest = importlib.import_module("botocore.auth"), importlib.import_module("botocore.awsrequest")
        try:
            if self._session is None:
                self._session = importlib.import_module("botocore.session").Session(profile=self._profile or None)
            credentials = self._session.get_credentials()
        except importlib.import_module("botocore.exceptions").BotoCoreError as error:
            raise EgressFailed(f"AWS's credentials cannot be had: {_shown(str(error))}") from error
        if credentials is None:
            raise EgressFailed(
                "there are no AWS credentials",
                hint="environment, ~/.aws of certd's user, or the instance's role: AWS's usual chain",
            )
        request = awsrequest.AWSRequest(method=method, url=url, data=body, headers=dict(headers))
        auth.SigV4Auth(credentials.get_frozen_credentials(), self._service, self._region).add_auth(request)
        return dict(request.headers.items())


def _shown(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:MOST_WORDS]

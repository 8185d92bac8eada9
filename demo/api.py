# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Invenio's REST API as a client sees it."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import urllib3

TIMEOUT = urllib3.Timeout(connect=5, read=120)


class TransferError(RuntimeError):
    """A request failed for good; the message holds no URL of the store."""


@dataclass(frozen=True)
class Api:
    """Invenio's REST API, with a token.

    Attributes:
        url: address without a slash at the end.
        token: what goes into the ``Authorization`` header.
        client: name for the ``User-Agent`` header.
    """

    url: str
    token: str = field(repr=False)
    client: str
    _pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=TIMEOUT))

    def call(self, method: str, url: str, body: Any = None) -> Any:
        """Send a request and return the JSON of its answer.

        Args:
            method: of HTTP.
            url: whole, or a path on the server.
            body: goes as JSON.

        Raises:
            TransferError: the answer is no success, or there is none.
        """
        answer = self.request(method, url, body)
        if not 200 <= answer.status < 300:
            text = answer.data[:500].decode("utf-8", "replace")
            raise TransferError(f"{method} {urlsplit(url).path}: {answer.status} {text}")
        return answer.json()

    def request(self, method: str, url: str, body: Any = None) -> urllib3.BaseHTTPResponse:
        """Send a request, follow no redirect, and return the answer.

        Raises:
            TransferError: there is no answer.
        """
        headers = {"User-Agent": self.client, "Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        absolute = url if url.startswith("http") else self.url + url
        try:
            return self._pool.request(method, absolute, body=data, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise TransferError(f"{method} {urlsplit(url).path}: {type(error).__name__}") from error

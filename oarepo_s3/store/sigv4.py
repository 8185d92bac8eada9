# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Signature Version 4 in the query string of a request to S3, without its payload.

The algorithm: "Authenticating Requests: Using Query Parameters" in the API reference of Amazon S3. What does not depend
on the single request is kept in SHA-256 states that are copied for each.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import quote

from oarepo_s3.store.endpoint import Location

_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys of an account at the store; ``expires_at`` (aware) tells when temporary ones end."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


class SigningKey:
    """The two SHA-256 states of an HMAC that has been given its key: a copy of each is cheaper than a new HMAC."""

    __slots__ = ("inner", "outer")

    def __init__(self, secret_key: str, day: str, region: str) -> None:
        key = b"AWS4" + secret_key.encode()
        for scope in (day, region, "s3", "aws4_request"):
            key = hmac.digest(key, scope.encode(), "sha256")
        padded = key.ljust(64, b"\0")  # the block of SHA-256
        self.inner = sha256(padded.translate(_INNER_PAD))
        self.outer = sha256(padded.translate(_OUTER_PAD))


class Grant:
    """What all requests signed at one moment with one expiry share."""

    __slots__ = ("_auth", "_inner", "_outer", "_token", "expires_at")

    def __init__(self, credentials: Credentials, region: str, key: SigningKey, now: datetime, expires_in: int) -> None:
        timestamp = now.strftime("%Y%m%dT%H%M%SZ")
        scope = f"{timestamp[:8]}/{region}/s3/aws4_request"
        self.expires_at = now + timedelta(seconds=expires_in)
        self._auth = (
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", quote(f"{credentials.access_key}/{scope}", safe="")),
            ("X-Amz-Date", timestamp),
            ("X-Amz-Expires", str(expires_in)),
        )
        token = credentials.token
        self._token = () if token is None else (("X-Amz-Security-Token", quote(token, safe="")),)
        self._inner = key.inner.copy()
        self._inner.update(f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n".encode())
        self._outer = key.outer

    def prepare(
        self, method: str, location: Location, query: Sequence[tuple[str, str]], headers: tuple[str, str]
    ) -> tuple[str, str]:
        """Return the URL up to the signature, and the canonical request.

        ``query`` is percent-encoded; ``headers`` are the names and the lines of what is signed besides the host.
        """
        names, lines = headers
        signed = names + "host"
        pairs = [*query, *self._auth, ("X-Amz-SignedHeaders", quote(signed, safe="")), *self._token]
        url = f"{location.base}{location.path}?{_join(pairs)}&X-Amz-Signature="
        all_lines = f"{lines}host:{location.host}\n"
        return url, "\n".join((method, location.path, _join(sorted(pairs)), all_lines, signed, "UNSIGNED-PAYLOAD"))

    def sign(self, canonical_request: "hashlib._Hash") -> str:
        """The signature, in hexadecimal: the one HMAC of a request."""
        inner = self._inner.copy()
        inner.update(canonical_request.hexdigest().encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()


def _join(pairs: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in pairs)

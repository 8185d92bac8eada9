# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Signature Version 4 of a request to S3: in the query string without the payload, or in headers without a body.

The algorithms: "Authenticating Requests: Using Query Parameters" and "Using the Authorization Header" in the API
reference of Amazon S3. What does not depend on the single request is kept in SHA-256 states that are copied for each.
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
_NO_BODY = sha256().hexdigest()


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


class SigningKeys:
    """The signing key of a region for the secret and the day that were asked for last. Threads may share it."""

    __slots__ = ("_last", "region")

    def __init__(self, region: str) -> None:
        self.region = region
        self._last: tuple[str, str, SigningKey] | None = None

    def of(self, secret_key: str, day: str) -> SigningKey:
        """The key for a day ``YYYYMMDD``."""
        # One slot, replaced as a whole: threads at midnight at worst derive the key twice.
        last = self._last
        if last is None or last[:2] != (secret_key, day):
            last = self._last = (secret_key, day, SigningKey(secret_key, day, self.region))
        return last[2]


class Grant:
    """What all requests signed at one moment with one expiry share."""

    __slots__ = ("_auth", "_inner", "_outer", "_token", "expires_at")

    def __init__(self, credentials: Credentials, region: str, key: SigningKey, now: datetime, expires_in: int) -> None:
        timestamp, scope = _timestamp_and_scope(now, region)
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


def authorization(
    credentials: Credentials, keys: SigningKeys, now: datetime, method: str, location: Location, query: str
) -> dict[str, str]:
    """The headers that sign a request without a body; ``query`` is percent-encoded and in order, ``now`` in UTC."""
    timestamp, scope = _timestamp_and_scope(now, keys.region)
    headers = {"X-Amz-Content-SHA256": _NO_BODY, "X-Amz-Date": timestamp}
    if credentials.token is not None:
        headers["X-Amz-Security-Token"] = credentials.token
    lines = "".join(f"{name.lower()}:{value}\n" for name, value in headers.items())
    signed = ";".join(["host", *map(str.lower, headers)])
    request = f"{method}\n{location.path}\n{query}\nhost:{location.host}\n{lines}\n{signed}\n{_NO_BODY}"
    key = keys.of(credentials.secret_key, timestamp[:8])
    inner, outer = key.inner.copy(), key.outer.copy()
    inner.update(f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{sha256(request.encode()).hexdigest()}".encode())
    outer.update(inner.digest())
    credential = f"Credential={credentials.access_key}/{scope}"
    headers["Authorization"] = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={signed}, Signature={outer.hexdigest()}"
    return headers


def _timestamp_and_scope(now: datetime, region: str) -> tuple[str, str]:
    timestamp = now.strftime("%Y%m%dT%H%M%SZ")
    return timestamp, f"{timestamp[:8]}/{region}/s3/aws4_request"


def _join(pairs: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in pairs)

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Presigned URLs for parts and objects, without a client and without I/O.

What the parts of an upload have in common is computed once; each part then costs one SHA-256 and one HMAC. The URLs are
byte for byte those of botocore for the same clock, given its parameters in the order of the methods here. Unlike there,
part numbers and the life of a URL are checked.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import quote

from oarepo_s3.errors import (
    ConfigurationError,
    InvalidChecksum,
    InvalidExpiry,
    InvalidPartNumber,
    InvalidSize,
)
from oarepo_s3.store.endpoint import AddressingStyle, Endpoint, Location
from oarepo_s3.store.sigv4 import Credentials, Grant, SigningKeys

__all__ = ("MAX_EXPIRES_IN", "AddressingStyle", "Credentials", "PartSigner", "PresignedURL", "Presigner")

MAX_EXPIRES_IN = 7 * 24 * 3600
"""Longest life of a URL in seconds, 7 days: the limit of Signature Version 4 in the query string."""

_REGION = re.compile(r"(?![0-9]+\Z)(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_MD5 = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")

# Stands for a value that differs from part to part. It cannot come from elsewhere: all else is percent-encoded.
_SLOT = "\0"


@dataclass(frozen=True, slots=True)
class PresignedURL:
    """A URL that whoever holds it may use until ``expires_at`` (aware, UTC)."""

    url: str = field(repr=False)
    expires_at: datetime


class _PartRequest:
    """The request for a part with a given set of signed headers, all but the values that differ."""

    __slots__ = ("_before", "_between", "_grant", "_rest", "_url", "_url_rest")

    def __init__(self, grant: Grant, location: Location, upload_id: str, names: str) -> None:
        query = (("partNumber", _SLOT), ("uploadId", quote(upload_id, safe="")))
        url, canonical_request = grant.prepare("PUT", location, query, (names, _SLOT))
        self._grant = grant
        self._url, self._url_rest = url.split(_SLOT)
        before, self._between, self._rest = canonical_request.split(_SLOT)
        self._before = sha256(before.encode())

    def url(self, part_number: int, lines: str) -> str:
        """Fill in the part number and the lines of the pinned headers."""
        canonical_request = self._before.copy()
        canonical_request.update(f"{part_number}{self._between}{lines}{self._rest}".encode())
        return f"{self._url}{part_number}{self._url_rest}{self._grant.sign(canonical_request)}"


class PartSigner:
    """Signs the parts of one upload: the moment, the expiry and the signing key are fixed. Threads may share it."""

    __slots__ = ("_by_headers", "_grant", "_location", "_max_part_number", "_plain", "_upload_id")

    def __init__(self, grant: Grant, location: Location, upload_id: str, max_part_number: int) -> None:
        self._grant = grant
        self._location = location
        self._upload_id = upload_id
        self._max_part_number = max_part_number
        self._plain = _PartRequest(grant, location, upload_id, "")
        self._by_headers: dict[str, _PartRequest] = {}

    @property
    def expires_at(self) -> datetime:
        """When the URLs cease to work (aware, UTC)."""
        return self._grant.expires_at

    def url(self, part_number: int, *, content_length: int | None = None, content_md5: str | None = None) -> str:
        """The URL to PUT the part to.

        :param content_length: size in bytes that the store will insist on.
        :param content_md5: base64 of the MD5 that the client has to send as ``Content-MD5``, and the body has to have.
        :raises InvalidPartNumber: not an integer from 1 to the limit.
        :raises InvalidSize: a length that is no integer, or a negative one.
        :raises InvalidChecksum: not the base64 of an MD5.
        """
        if type(part_number) is not int or not 1 <= part_number <= self._max_part_number:
            raise InvalidPartNumber(f"a part number is an integer from 1 to {self._max_part_number}")
        if content_length is None and content_md5 is None:
            return self._plain.url(part_number, "")
        names, lines = _pin(content_length, content_md5)
        request = self._by_headers.get(names)
        if request is None:
            request = self._by_headers[names] = _PartRequest(self._grant, self._location, self._upload_id, names)
        return request.url(part_number, lines)

    def urls(
        self, part_numbers: Iterable[int], *, content_length_of: Callable[[int], int | None] | None = None
    ) -> dict[int, str]:
        """The URL of each part number; ``content_length_of`` gives the size to pin for one. Raises as :meth:`url`."""
        if content_length_of is None:
            return {number: self.url(number) for number in part_numbers}
        return {number: self.url(number, content_length=content_length_of(number)) for number in part_numbers}


class Presigner:
    """Presigns requests to one endpoint in one region.

    A tenant (Ceph RGW) is a part of the bucket's name: ``tenant:bucket``. Keys are signed as they stand; be aware that
    many HTTP clients resolve ``.`` and ``..`` segments before they send, so that URLs of such keys fail there.

    :param endpoint_url: ``http(s)://host[:port][/prefix]`` as the clients reach it.
    :param region: name of the region, also where the store does not care ("us-east-1").
    :param credentials: asked at each signing, so that it can rotate them.
    :param max_part_number: how many parts the store allows in an upload.
    :param clock: the time now, aware.
    :raises ConfigurationError: an argument that cannot work.
    """

    def __init__(
        self,
        *,
        endpoint_url: str,
        region: str,
        credentials: Callable[[], Credentials],
        addressing_style: AddressingStyle = AddressingStyle.PATH,
        max_part_number: int = 10_000,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if _REGION.fullmatch(region) is None:
            raise ConfigurationError("region", "must be a name of ASCII letters, digits and dashes")
        if max_part_number < 1:
            raise ConfigurationError("max_part_number", "must be at least 1")
        self._endpoint = Endpoint(endpoint_url, AddressingStyle(addressing_style))
        self._keys = SigningKeys(region)
        self._credentials = credentials
        self._max_part_number = max_part_number
        self._clock = clock

    def upload(
        self, *, s3_bucket: str, key: str, upload_id: str, expires_in: int, not_after: datetime | None = None
    ) -> PartSigner:
        """Prepare to sign the parts of an upload; the URLs live from now, so keep the signer only for one answer.

        :param upload_id: the store's id of the multipart upload.
        :param expires_in: life of the URLs in seconds, 1 .. 604,800.
        :param not_after: end of the upload (aware): no URL outlives it, nor the credentials.
        :raises InvalidExpiry: a life outside the limits, or less than a second is left.
        :raises InvalidKey: the key is empty: the URL would be that of the bucket.
        :raises ValueError: the bucket or the upload id is empty, or a datetime is naive.
        """
        if not upload_id:
            raise ValueError("the upload id must not be empty")
        location = self._endpoint.locate(s3_bucket, key)
        return PartSigner(self._grant(expires_in, not_after), location, upload_id, self._max_part_number)

    def get_object(
        self,
        *,
        s3_bucket: str,
        key: str,
        expires_in: int,
        response_content_type: str | None = None,
        response_content_disposition: str | None = None,
        not_after: datetime | None = None,
    ) -> PresignedURL:
        """The URL to download an object from, and the headers to answer with; raises as :meth:`upload`."""
        overrides = {
            "response-content-type": response_content_type,
            "response-content-disposition": response_content_disposition,
        }
        query = [(name, quote(value, safe="")) for name, value in overrides.items() if value is not None]
        return self._presign("GET", self._endpoint.locate(s3_bucket, key), query, ("", ""), expires_in, not_after)

    def put_object(
        self,
        *,
        s3_bucket: str,
        key: str,
        expires_in: int,
        content_length: int | None = None,
        content_md5: str | None = None,
        content_type: str | None = None,
        not_after: datetime | None = None,
    ) -> PresignedURL:
        """The URL to PUT a whole object to, with exactly the given headers.

        Raises as :meth:`upload`, and for the headers as :meth:`PartSigner.url`.
        """
        headers = _pin(content_length, content_md5, content_type)
        return self._presign("PUT", self._endpoint.locate(s3_bucket, key), [], headers, expires_in, not_after)

    def _presign(
        self,
        method: str,
        location: Location,
        query: Sequence[tuple[str, str]],
        headers: tuple[str, str],
        expires_in: int,
        not_after: datetime | None,
    ) -> PresignedURL:
        grant = self._grant(expires_in, not_after)
        url, canonical_request = grant.prepare(method, location, query, headers)
        return PresignedURL(url + grant.sign(sha256(canonical_request.encode())), grant.expires_at)

    def _grant(self, expires_in: int, not_after: datetime | None) -> Grant:
        if type(expires_in) is not int or not 1 <= expires_in <= MAX_EXPIRES_IN:
            raise InvalidExpiry(f"the life of a URL is an integer from 1 to {MAX_EXPIRES_IN} seconds")
        credentials = self._credentials()
        # The store counts from X-Amz-Date, which has whole seconds.
        now = _utc(self._clock()).replace(microsecond=0)
        for end, of_what in ((credentials.expires_at, "credentials"), (not_after, "upload")):
            if end is not None:
                expires_in = min(expires_in, (_utc(end) - now) // timedelta(seconds=1))
                if expires_in < 1:
                    raise InvalidExpiry(f"the {of_what} would end before the URL can be used")
        key = self._keys.of(credentials.secret_key, now.strftime("%Y%m%d"))
        return Grant(credentials, self._keys.region, key, now, expires_in)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a datetime without a time zone")
    return moment.astimezone(UTC)


def _pin(content_length: int | None, content_md5: str | None, content_type: str | None = None) -> tuple[str, str]:
    """Names and lines of the headers to sign besides the host, in the alphabetical order that SigV4 wants."""
    names = lines = ""
    if content_length is not None:
        if type(content_length) is not int or content_length < 0:
            raise InvalidSize("a content length is a number of bytes, 0 or more")
        names, lines = "content-length;", f"content-length:{content_length}\n"
    if content_md5 is not None:
        if _MD5.fullmatch(content_md5) is None:
            raise InvalidChecksum("Content-MD5 is the base64 of an MD5")
        names, lines = names + "content-md5;", f"{lines}content-md5:{content_md5}\n"
    if content_type is not None:
        names, lines = names + "content-type;", f"{lines}content-type:{' '.join(content_type.split())}\n"
    return names, lines

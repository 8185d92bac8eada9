# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""From a bucket and a key to the parts of a URL at the store."""

import re
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import quote

from oarepo_s3.errors import ConfigurationError, InvalidKey

_ENDPOINT = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<prefix>(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)*)/*"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_IP_ADDRESS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}|\[.*")
_HOST_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


class AddressingStyle(StrEnum):
    """Where the bucket stands: ``https://host/bucket/key`` or ``https://bucket.host/key``."""

    PATH = "path"
    VIRTUAL = "virtual"


class Location(NamedTuple):
    """Where an object is: ``base`` (scheme and authority), ``host`` as the header has it, ``path`` percent-encoded."""

    base: str
    host: str
    path: str


class Endpoint:
    """The store's address, taken apart once."""

    def __init__(self, url: str, style: AddressingStyle) -> None:
        parts = _ENDPOINT.fullmatch(url)
        if parts is None or int(parts["port"] or 0) > 65535:
            raise ConfigurationError("endpoint_url", "must be http(s)://host[:port][/prefix], a prefix without %")
        self._scheme, self._authority, self._prefix = parts["scheme"], parts["host"], parts["prefix"]
        self._host = self._authority.lower()
        if parts["port"] is not None:
            self._authority += ":" + parts["port"]
            if int(parts["port"]) != _DEFAULT_PORTS[self._scheme]:
                self._host += f":{int(parts['port'])}"
        self._virtual = style is AddressingStyle.VIRTUAL and not _IP_ADDRESS.fullmatch(parts["host"])

    def locate(self, s3_bucket: str, key: str) -> Location:
        """Place the object; a bucket that cannot be a host name goes into the path, as with botocore."""
        if not s3_bucket:
            raise ValueError("the bucket must not be empty")
        if not key:
            raise InvalidKey("the key must not be empty")
        quoted_key = quote(key, safe="/~")
        if self._virtual and self._is_host(s3_bucket):
            path, domain = f"{self._prefix}/{quoted_key}", s3_bucket + "."
        else:
            path, domain = f"{self._prefix}/{quote(s3_bucket, safe='')}/{quoted_key}", ""
        return Location(f"{self._scheme}://{domain}{self._authority}", domain + self._host, path)

    def _is_host(self, s3_bucket: str) -> bool:
        # A wildcard certificate covers one label only, so that names with dots are for plain http.
        labels = s3_bucket.split(".") if self._scheme == "http" else [s3_bucket]
        fits = len(s3_bucket) >= 3 and not _IP_ADDRESS.fullmatch(s3_bucket)
        return fits and all(_HOST_LABEL.fullmatch(label) for label in labels)

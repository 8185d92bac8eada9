# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""URLs of the filesystem, and what they say of the record and the key.

``oarepo-s3://host/api/records/<id>/draft/files/<key>`` names both. The record's address ends before the first segment
``files``. Without such a segment, or without a host as in ``oarepo-s3:///<key>``, a URL names a key alone. Keys are
written as they are, not percent-encoded, as is the custom with fsspec.
"""

import os
from typing import Any, overload
from urllib.parse import urlsplit

from oarepo_s3_client.errors import UsageError
from oarepo_s3_client.servers.discovery import target_of

SCHEMES = {"oarepo-s3": "https", "oarepo-s3-http": "http"}
"""How the repository is reached, by protocol of the URL."""

THIS_MACHINE = ("localhost", "127.0.0.1", "::1")

Path = str | os.PathLike[str]


def split(path: Path) -> tuple[str | None, str]:
    """The record's address, None if the path does not name it, and the key without slashes around it."""
    text = os.fspath(path)
    for protocol, scheme in SCHEMES.items():
        if text.startswith(f"{protocol}://"):
            rest = text[len(protocol) + 3 :]
            record, files, key = f"{rest}/".partition("/files/")
            if files and not rest.startswith("/"):
                return f"{scheme}://{record}", key.strip("/")
            return None, rest.strip("/")
    return None, text.strip("/")


def join(record: str, key: str) -> str:
    """The URL of a key, or of the record's files for an empty one."""
    scheme, _, rest = record.partition("://")
    protocol = next(name for name, known in SCHEMES.items() if known == scheme)
    return f"{protocol}://{rest}/files/{key}".rstrip("/")


def checked_record(record: str | None, *, allow_http: bool) -> str:
    """The record's address in its plain form.

    Args:
        record: as it was given.
        allow_http: whether token and files may travel unencrypted; on this machine they may.

    Raises:
        ValueError: it cannot be used.
    """
    if record is None:
        raise ValueError("No record is named: give record=, or a URL oarepo-s3://host/api/records/<id>/files/<key>.")
    try:
        url = target_of(record).url
    except UsageError as error:
        raise ValueError(f"{error.message} {error.hint}") from error
    parts = urlsplit(url)
    if parts.username is not None:
        raise ValueError("No name or password belongs in a record's address: give token=.")
    if "/files/" in f"{parts.path}/":
        raise ValueError("A record's address with a segment `files` cannot be told from a file's.")
    if parts.scheme == "http" and parts.hostname not in THIS_MACHINE and not allow_http:
        raise ValueError("Token and files would travel unencrypted: use https, or give allow_http=True.")
    return url


@overload
def strip(path: Path, record: str | None = None) -> str: ...
@overload
def strip(path: list[Path], record: str | None = None) -> list[str]: ...
def strip(path: Path | list[Path], record: str | None = None) -> str | list[str]:
    """The key, or the keys.

    Args:
        path: or several.
        record: the only one that the path may name, if it names any.

    Raises:
        ValueError: it names another record.
    """
    if isinstance(path, list):
        return [strip(one, record) for one in path]
    named, key = split(path)
    if record is not None and named not in (None, record):
        raise ValueError(f"{os.fspath(path)} is no file of {record}; a key is also written oarepo-s3:///<key>.")
    return key


class Stripping:
    """The method ``_strip_protocol``: any record will do for the class, its own alone for an instance."""

    def __get__(self, instance: Any, owner: type) -> Any:
        record = None if instance is None else instance.record
        return lambda path: strip(path, record)

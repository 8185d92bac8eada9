# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What a record has, as fsspec asks for it."""

import errno
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from fsspec.spec import AbstractFileSystem

from oarepo_s3_client.fs import addresses
from oarepo_s3_client.fs.access import Access
from oarepo_s3_client.fs.listing import Info, Listing
from oarepo_s3_client.fs.os_errors import os_error

LISTING_SECONDS = 60.0
"""How long a listing is good for, if nothing is written through the same filesystem."""


class BrowsedRecord(AbstractFileSystem):
    """A record whose files can be listed.

    Args:
        record: address of the record, such as ``https://host/api/records/<id>/draft``; a URL may name it instead.
        token: for the repository; ``OAREPO_S3_TOKEN`` from the environment if None, none if empty.
        allow_http: let token and files travel unencrypted; on this machine they may anyway.
        client_options: fields of ``Options`` by name, but no token or proxy, which may be secret.
        listings_expiry_time: seconds that a listing is good for; None for ever.
        storage_options: as fsspec has them, such as ``use_listings_cache``.

    Raises:
        ValueError: an argument cannot be used.
    """

    protocol = tuple(addresses.SCHEMES)
    _strip_protocol = addresses.Stripping()

    def __init__(
        self,
        record: str | None = None,
        *,
        token: str | None = None,
        allow_http: bool = False,
        client_options: Mapping[str, Any] | None = None,
        listings_expiry_time: float | None = LISTING_SECONDS,
        **storage_options: Any,
    ):
        super().__init__(listings_expiry_time=listings_expiry_time, **storage_options)
        options = dict(client_options or {})
        if options.keys() & {"token", "proxy"}:
            raise ValueError("client_options takes no secrets: give token=, and the proxy in the environment.")
        self.record = addresses.checked_record(record, allow_http=allow_http)
        self._access = Access(self.record, token, options)
        self._changes = 0

    @property
    def storage_options(self) -> dict[str, Any]:
        """What makes the same filesystem elsewhere, without the token."""
        return self._storage_options

    @storage_options.setter
    def storage_options(self, options: Mapping[str, Any]) -> None:
        self._storage_options = {name: value for name, value in options.items() if name != "token"}

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        record, _ = addresses.split(path)
        return {} if record is None else {"record": record}

    def unstrip_protocol(self, name: str) -> str:
        """The URL that names the record, too."""
        return addresses.join(self.record, self._strip_protocol(name))

    # what there is ----------------------------------------------------------------------------------------------------

    def _listing(self, refresh: bool = False) -> Listing:
        changes = self._changes
        if not refresh:
            try:
                kept: Listing = self.dircache[""]
            except KeyError:
                pass
            else:
                return kept
        listing = Listing(self._access.files())
        if changes == self._changes:
            self.dircache[""] = listing
        return listing

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget the listing."""
        self._changes += 1
        self.dircache.clear()
        super().invalidate_cache(path)

    def ls(self, path: str, detail: bool = True, refresh: bool = False, **kwargs: Any) -> list[Any]:
        """What is in a folder, or the file alone; ``refresh`` asks the repository anew."""
        key = self._strip_protocol(path)
        found = self._listing(refresh).children(key)
        if found is None:
            raise os_error(errno.ENOENT, key)
        return found if detail else [info["name"] for info in found]

    def info(self, path: str, refresh: bool = False, **kwargs: Any) -> Info:
        """Name, size in bytes, type, and of a file its checksum; ``refresh`` asks the repository anew."""
        key = self._strip_protocol(path)
        found = self._listing(refresh).info(key)
        if found is None:
            raise os_error(errno.ENOENT, key)
        return found

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Whether there is a file or folder; an error if that cannot be told."""
        return self._type(path) is not None

    def isfile(self, path: str) -> bool:
        """Whether it is a file; an error if that cannot be told."""
        return self._type(path) == "file"

    def isdir(self, path: str) -> bool:
        """Whether it is a folder; an error if that cannot be told."""
        return self._type(path) == "directory"

    def _type(self, path: str) -> str | None:
        try:
            kind: str = self.info(path)["type"]
        except FileNotFoundError:  # the file, or the whole record
            return None
        return kind

    def _file(self, path: str) -> Info:
        """The file at a path, where no folder will do."""
        info = self.info(path)
        if info["type"] == "directory":
            raise os_error(errno.EISDIR, info["name"])
        return info

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        refresh: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Files below a folder, with folders if ``withdirs``, or the file itself."""
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        key = self._strip_protocol(path)
        listing = self._listing(refresh)
        found = listing.below(key, maxdepth, folders=withdirs)
        itself = listing.info(key)
        if itself is not None and key and (withdirs if itself["type"] == "directory" else not found):
            found = {key: itself} | found
        return found if detail else list(found)

    def ukey(self, path: str) -> str:
        """Changes with the file, as the repository has it now."""
        return sha256(str(self.info(path, refresh=True)).encode()).hexdigest()

    def checksum(self, path: str) -> int:
        """The same as a number."""
        return int(self.ukey(path), 16)

    def created(self, path: str) -> datetime:
        """Not known: a repository tells no times of its files."""
        raise NotImplementedError("A repository tells no times of its files; see checksum().")

    def modified(self, path: str) -> datetime:
        """Not known: a repository tells no times of its files."""
        raise NotImplementedError("A repository tells no times of its files; see checksum().")

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What each face of a repository can do, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from oarepo_s3_client.api import FileInfo, UploadStatus
from oarepo_s3_client.plan import Plan
from oarepo_s3_client.servers.protocol import Operation
from oarepo_s3_client.work import SignedPart


@dataclass(frozen=True, slots=True)
class Opened:
    """An upload that takes parts.

    Attributes:
        upload: the repository's id of it.
        signed: URLs that came along.
        arrived: number -> (ETag, size) of what is there; None where the repository cannot tell.
        expires_at: ISO time, if known.
    """

    upload: str
    plan: Plan
    signed: list[SignedPart]
    arrived: dict[int, tuple[str, int]] | None
    expires_at: str | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """The file, or what is missing of it: numbers of parts to send once more."""

    checksum: str | None = None
    again: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A record's address without a slash at the end."""

    url: str

    @property
    def files(self) -> str:
        """Address of its list of files."""
        return f"{self.url}/files"

    def file(self, key: str) -> str:
        """Address of a file."""
        return f"{self.files}/{quote(key, safe='/')}"


class Face(Protocol):
    """What a repository can do; each face writes it its own way."""

    name: str

    def files(self) -> Operation[list[FileInfo]]:
        """The record's files."""
        ...

    def open(self, key: str, size: int, part_size: int | None) -> Operation[Opened]:
        """Open an upload, or find the one that is open."""
        ...

    def sign(self, key: str, numbers: tuple[int, ...]) -> Operation[list[SignedPart]]:
        """Fresh URLs."""
        ...

    def complete(self, key: str, etags: Mapping[int, str]) -> Operation[Completed]:
        """Make a file of the parts."""
        ...

    def put_empty(self, key: str) -> Operation[str | None]:
        """Make a file of 0 bytes; its checksum."""
        ...

    def status(self, key: str) -> Operation[UploadStatus]:
        """The upload of a file."""
        ...

    def abort(self, key: str) -> Operation[None]:
        """End the upload of a file."""
        ...

    def delete(self, key: str) -> Operation[None]:
        """Delete a file."""
        ...

    def location(self, key: str) -> Operation[str]:
        """Where the bytes of a file are."""
        ...

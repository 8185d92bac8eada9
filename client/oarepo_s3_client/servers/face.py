# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What each face of a repository can do, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from oarepo_s3_client.api import FileInfo, UploadStatus
from oarepo_s3_client.errors import ClientError
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
        headers: what has to be sent with the only part, where the file goes by one PUT; None where it goes in parts.
        found: whether it was open before, as far as the repository says.
    """

    upload: str
    plan: Plan
    signed: list[SignedPart]
    arrived: dict[int, tuple[str, int]] | None
    expires_at: str | None = None
    headers: Mapping[str, str] | None = None
    found: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to be opened with others; ``content_md5`` as the header of that name, if it is known."""

    key: str
    size: int
    content_md5: str | None = None


@dataclass(frozen=True, slots=True)
class ByItself:
    """The answer to one of many that says nothing yet: it is to be asked for by itself, after so many seconds."""

    seconds: float = 0.0


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


OpenResult = Opened | ByItself | ClientError
CompleteResult = Completed | ByItself | ClientError


class Face(Protocol):
    """What a repository can do; each face writes it its own way.

    Attributes:
        name: of the face.
        one_put: whether it may have small files sent by one PUT.
    """

    name: str
    one_put: bool

    def files(self) -> Operation[list[FileInfo]]:
        """The record's files."""
        ...

    def open(self, key: str, size: int, part_size: int | None, content_md5: str | None = None) -> Operation[Opened]:
        """Open an upload, or find the one that is open."""
        ...

    def open_many(self, wanted: Sequence[Wanted], part_size: int | None) -> Operation[list[OpenResult]]:
        """Open uploads, with the results in the same order.

        Raises:
            NoBatches: not so many at a time.
        """
        ...

    def sign(self, key: str, numbers: tuple[int, ...]) -> Operation[list[SignedPart]]:
        """Fresh URLs."""
        ...

    def complete(self, key: str, etags: Mapping[int, str]) -> Operation[Completed]:
        """Make a file of the parts."""
        ...

    def complete_many(self, etags: Mapping[str, Mapping[int, str]]) -> Operation[list[CompleteResult]]:
        """Make files of their parts, by key, with the results in the same order.

        Raises:
            NoBatches: not so many at a time.
        """
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

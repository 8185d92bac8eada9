# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What the life of an upload needs of a store: a handful of calls and the plain data they answer.

:class:`~oarepo_s3.store.client.S3Client` speaks it to a real store, :class:`oarepo_s3.testing.FakeStore` in tests; one
contract suite runs over both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from .presign import Credentials


@dataclass(frozen=True, slots=True)
class CreatedUpload:
    """A multipart upload that the store has opened.

    ``retried`` tells that the answer is not that of the first attempt, so that the store may hold another upload under
    the same key whose answer was lost.
    """

    upload_id: str
    retried: bool = False


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part as the store lists it; ``size`` in bytes, ``etag`` without quotes."""

    number: int
    size: int
    etag: str
    last_modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as HEAD describes it; ``size`` in bytes, ``etag`` without quotes, ``stamp`` as given to create."""

    size: int
    etag: str
    stamp: str | None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class ListedUpload:
    """A multipart upload that is open at the store."""

    key: str
    upload_id: str
    initiated: datetime | None = None


@runtime_checkable
class Store(Protocol):
    """The calls. Each may raise the subclasses of :class:`~oarepo_s3.errors.StoreError`, and nothing else."""

    @property
    def endpoint_url(self) -> str:
        """Where the store is; part URLs are signed for it unless there is a public endpoint."""
        ...

    @property
    def region(self) -> str:
        """The region that goes into signatures."""
        ...

    def credentials(self) -> Credentials:
        """What URLs are signed with now; temporary credentials change with time."""
        ...

    def create_upload(self, s3_bucket: str, key: str, *, content_type: str, stamp: str) -> CreatedUpload:
        """Open a multipart upload whose object will carry ``stamp`` (our own id) in its metadata."""
        ...

    def list_parts(self, s3_bucket: str, key: str, upload_id: str) -> list[StoredPart]:
        """Every part that has arrived, by number, each once.

        :raises StoreUploadGone: the store knows no such upload.
        """
        ...

    def complete_upload(self, s3_bucket: str, key: str, upload_id: str, parts: Sequence[StoredPart]) -> None:
        """Join the parts. Says nothing of the result: ask :meth:`head_object`.

        :raises StorePartsRefused: the store refuses the list of parts.
        :raises StoreUploadGone: the store knows no such upload (perhaps as it is completed already).
        :raises StoreUnknownOutcome: no answer, or an error that leaves the outcome open.
        """
        ...

    def abort_upload(self, s3_bucket: str, key: str, upload_id: str) -> None:
        """Drop the upload and its parts; an upload that is gone already is success."""
        ...

    def head_object(self, s3_bucket: str, key: str) -> StoredObject | None:
        """The object under the key, or None."""
        ...

    def delete_object(self, s3_bucket: str, key: str) -> None:
        """Delete the object; one that is gone already is success."""
        ...

    def list_uploads(self, s3_bucket: str, prefix: str = "") -> Iterator[ListedUpload]:
        """The uploads that are open under the prefix, page by page.

        Stores differ: MinIO lists only for a prefix that is the whole key. So nothing may rest on a listing with any
        other prefix but a report to an operator.
        """
        ...

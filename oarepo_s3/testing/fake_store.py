# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A store in memory that answers as S3 does."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import md5
from typing import Any, Literal
from uuid import uuid4

from oarepo_s3.errors import StorePartsRefused, StoreRefused, StoreUploadGone
from oarepo_s3.store.contract import CreatedUpload, ListedUpload, StoredObject, StoredPart
from oarepo_s3.store.presign import Credentials
from oarepo_s3.testing.interference import Interferences

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Blank:
    """Stands for ``size`` bytes without holding them, so that a test can have a file of 5 TiB.

    Its MD5 is not that of any content, but depends on the size and ``seed`` alone.
    """

    size: int
    seed: str = ""

    @property
    def etag(self) -> str:
        """What the store answers for it."""
        return md5(f"blank {self.size} {self.seed}".encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An upload that is open in the fake store; ``parts`` by number."""

    s3_bucket: str
    key: str
    upload_id: str
    content_type: str
    stamp: str
    initiated: datetime
    parts: dict[int, StoredPart] = field(default_factory=dict)


class FakeStore(Interferences):
    """A store in memory. Threads may share it.

    It keeps sizes and ETags, no content. Buckets are there as soon as they are named. It takes the arguments of
    :class:`~oarepo_s3.store.client.S3Client`, so that ``S3_CLIENT`` may name it; URLs that are signed for it lead
    nowhere: parts are put by :meth:`put_part`.

    :param min_part_size: bytes that each part but the last must have, when the upload is completed.
    :param max_parts: highest part number.
    :param complete_twice: what the second CompleteMultipartUpload does: ``idempotent``: succeed (AWS, Ceph, Swift);
        ``gone``: raise StoreUploadGone (MinIO, rclone).
    :param refuse_subset: whether each stored part has to be in the list of parts (Ceph, rclone); else those that are
        not are dropped (AWS, Swift).
    :param buckets: the only buckets that there are, or None for any.
    :param clock: the time now, aware.
    :param connection_settings: time-outs and the like, which mean nothing here.
    """

    def __init__(
        self,
        access_key: str | None = "fake",
        secret_key: str | None = "fake",
        client_kwargs: Mapping[str, Any] | None = None,
        config_kwargs: Mapping[str, Any] | None = None,
        tenant: str | None = None,
        *,
        min_part_size: int = 5 * MIB,
        max_parts: int = 10_000,
        complete_twice: Literal["idempotent", "gone"] = "idempotent",
        refuse_subset: bool = False,
        buckets: Sequence[str] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        **connection_settings: Any,
    ) -> None:
        super().__init__()
        options = client_kwargs or {}
        self.endpoint_url: str = options.get("endpoint_url") or "https://fake-store.invalid"
        self.region: str = options.get("region_name") or "us-east-1"
        self._credentials = Credentials(access_key or "fake", secret_key or "fake")
        self._tenant = tenant
        self._min_part_size = min_part_size
        self._max_parts = max_parts
        self._complete_twice = complete_twice
        self._refuse_subset = refuse_subset
        self._buckets = buckets
        self._clock = clock
        self._state = threading.RLock()
        self._uploads: dict[str, OpenUpload] = {}
        self._completed: set[tuple[str, str, str]] = set()
        self._objects: dict[tuple[str, str], StoredObject] = {}
        self._lost_answers = 0

    def credentials(self) -> Credentials:
        """Keys that are good for nothing but signing."""
        return self._credentials

    def wire_bucket(self, s3_bucket: str) -> str:
        """As :meth:`oarepo_s3.store.client.S3Client.wire_bucket`."""
        return f"{self._tenant}:{s3_bucket}" if self._tenant else s3_bucket

    def create_upload(self, s3_bucket: str, key: str, *, content_type: str, stamp: str) -> CreatedUpload:
        """Open an upload."""
        with self._called("create_upload", s3_bucket, key, content_type, stamp), self._state:
            self._check_bucket(s3_bucket)
            retried = self._lost_answers > 0
            for _ in range(2 if retried else 1):
                upload_id = uuid4().hex
                upload = OpenUpload(s3_bucket, key, upload_id, content_type, stamp, self._clock())
                self._uploads[upload_id] = upload
            self._lost_answers -= retried
        return CreatedUpload(upload_id, retried)

    def list_parts(self, s3_bucket: str, key: str, upload_id: str) -> list[StoredPart]:
        """The parts by number."""
        with self._called("list_parts", s3_bucket, key, upload_id), self._state:
            parts = self._upload(s3_bucket, key, upload_id).parts
            return [parts[number] for number in sorted(parts)]

    def complete_upload(self, s3_bucket: str, key: str, upload_id: str, parts: Sequence[StoredPart]) -> None:
        """Join the parts; after a refusal the upload is as it was."""
        with self._called("complete_upload", s3_bucket, key, upload_id, tuple(parts)), self._state:
            if self._complete_twice == "idempotent" and (s3_bucket, key, upload_id) in self._completed:
                return
            upload = self._upload(s3_bucket, key, upload_id)
            self._check_parts(upload, parts)
            etags = b"".join(bytes.fromhex(part.etag) for part in parts)
            etag = f"{md5(etags, usedforsecurity=False).hexdigest()}-{len(parts)}"
            size = sum(upload.parts[part.number].size for part in parts)
            self._objects[s3_bucket, key] = StoredObject(size, etag, upload.stamp, upload.content_type)
            self._completed.add((s3_bucket, key, upload_id))
            del self._uploads[upload_id]

    def abort_upload(self, s3_bucket: str, key: str, upload_id: str) -> None:
        """Drop the upload, if it is there."""
        with self._called("abort_upload", s3_bucket, key, upload_id), self._state:
            self._check_bucket(s3_bucket)
            upload = self._uploads.get(upload_id)
            if upload is not None and (upload.s3_bucket, upload.key) == (s3_bucket, key):
                del self._uploads[upload_id]

    def head_object(self, s3_bucket: str, key: str) -> StoredObject | None:
        """The object, or None."""
        with self._called("head_object", s3_bucket, key), self._state:
            return self._objects.get((s3_bucket, key))

    def delete_object(self, s3_bucket: str, key: str) -> None:
        """Drop the object, if it is there."""
        with self._called("delete_object", s3_bucket, key), self._state:
            self._check_bucket(s3_bucket)
            self._objects.pop((s3_bucket, key), None)

    def list_uploads(self, s3_bucket: str, prefix: str = "") -> Iterator[ListedUpload]:
        """The open uploads by key and time; as with a real store, nothing is asked before the first is taken."""
        with self._called("list_uploads", s3_bucket, prefix), self._state:
            self._check_bucket(s3_bucket)
            uploads = [one for one in self._uploads.values() if one.s3_bucket == s3_bucket]
        for upload in sorted(uploads, key=lambda one: (one.key, one.initiated)):
            if upload.key.startswith(prefix):
                yield ListedUpload(upload.key, upload.upload_id, upload.initiated)

    def put_part(self, s3_bucket: str, key: str, upload_id: str, number: int, data: bytes | Blank) -> StoredPart:
        """Put a part as a client would by a part URL; one that is there already is replaced.

        :raises StoreUploadGone: there is no such upload.
        :raises StoreRefused: a part number outside 1 .. ``max_parts``.
        """
        if not 1 <= number <= self._max_parts:
            raise StoreRefused("UploadPart: the store answered InvalidArgument (HTTP 400)")
        part = StoredPart(number, _size(data), _etag(data), self._clock())
        with self._state:
            self._upload(s3_bucket, key, upload_id).parts[number] = part
        return part

    def put_object(
        self,
        s3_bucket: str,
        key: str,
        data: bytes | Blank,
        *,
        content_type: str = "application/octet-stream",
        stamp: str | None = None,
    ) -> StoredObject:
        """Put a whole object, as somebody else might: without a stamp unless one is given."""
        stored = StoredObject(_size(data), _etag(data), stamp, content_type)
        with self._state:
            self._objects[s3_bucket, key] = stored
        return stored

    def lose_create_answer(self, times: int = 1) -> None:
        """Make the next creations open two uploads each, as when the first answer is lost and the call is repeated."""
        with self._state:
            self._lost_answers += times

    def uploads(self) -> list[OpenUpload]:
        """The open uploads of all buckets, oldest first; copies."""
        with self._state:
            return [replace(upload, parts=dict(upload.parts)) for upload in self._uploads.values()]

    def objects(self) -> dict[tuple[str, str], StoredObject]:
        """The objects by bucket and key; a copy."""
        with self._state:
            return dict(self._objects)

    def _check_bucket(self, s3_bucket: str) -> None:
        if self._buckets is not None and s3_bucket not in self._buckets:
            raise StoreRefused("The store answered NoSuchBucket (HTTP 404)")

    def _upload(self, s3_bucket: str, key: str, upload_id: str) -> OpenUpload:
        self._check_bucket(s3_bucket)
        upload = self._uploads.get(upload_id)
        if upload is None or (upload.s3_bucket, upload.key) != (s3_bucket, key):
            raise StoreUploadGone("The store answered NoSuchUpload (HTTP 404)")
        return upload

    def _check_parts(self, upload: OpenUpload, parts: Sequence[StoredPart]) -> None:
        numbers = [part.number for part in parts]
        wrong = [part for part in parts if getattr(upload.parts.get(part.number), "etag", None) != part.etag]
        problems = {
            "MalformedXML": not parts,
            "InvalidPartOrder": sorted(set(numbers)) != numbers,
            "InvalidPart": bool(wrong) or (self._refuse_subset and len(parts) < len(upload.parts)),
        }
        for code, is_so in problems.items():
            if is_so:
                raise StorePartsRefused(f"CompleteMultipartUpload: the store answered {code} (HTTP 400)")
        if any(upload.parts[number].size < self._min_part_size for number in numbers[:-1]):
            raise StorePartsRefused("CompleteMultipartUpload: the store answered EntityTooSmall (HTTP 400)")


def _size(data: bytes | Blank) -> int:
    return data.size if isinstance(data, Blank) else len(data)


def _etag(data: bytes | Blank) -> str:
    return data.etag if isinstance(data, Blank) else md5(data, usedforsecurity=False).hexdigest()

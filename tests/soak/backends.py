# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The two places where random operations run, with the same face."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from botocore.exceptions import ClientError
from invenio_db import db
from invenio_files_rest.models import Location, MultipartObject, ObjectVersion

from oarepo_s3.store.client import S3Client
from oarepo_s3.store.contract import CreatedUpload, ListedUpload, StoredObject, StoredPart
from oarepo_s3.store.presign import Credentials
from oarepo_s3.testing import FakeStore
from oarepo_s3.testing.interference import Interferences
from oarepo_s3.uploads.models import Upload
from tests.integration.records_app import Clock, RecordsWorld, records_world
from tests.servers.ceph import CephServer

PART = 1000
SETTINGS: dict[str, Any] = {
    "S3_MULTIPART_MIN_PART_SIZE": 100,
    "S3_MULTIPART_PART_SIZE": PART,
    "S3_MULTIPART_BUSY_WAIT": 1,
    "S3_MULTIPART_SWEEP_BATCH": 5,
    "S3_MULTIPART_SWEEP_CONCURRENCY": 2,
    # One sweep goes through all that is due: the clock stands still meanwhile.
    "S3_MULTIPART_SWEEP_DEADLINE": 3000,
}


def body_of(size: int, seed: int) -> bytes:
    """The bytes of a part; another seed gives others."""
    return (f"{seed} ".encode() * (size // 2 + 1))[:size]


class FaultyStore(Interferences):
    """A real store whose calls can be made to fail, before or after they are made."""

    def __init__(self, store: S3Client) -> None:
        super().__init__()
        self._store = store
        self.endpoint_url, self.region = store.endpoint_url, store.region

    def credentials(self) -> Credentials:
        """Those of the real one."""
        return self._store.credentials()

    def wire_bucket(self, s3_bucket: str) -> str:
        """As the real one."""
        return self._store.wire_bucket(s3_bucket)

    def create_upload(self, s3_bucket: str, key: str, *, content_type: str, stamp: str) -> CreatedUpload:
        """Open an upload."""
        with self._called("create_upload", s3_bucket, key, content_type, stamp):
            return self._store.create_upload(s3_bucket, key, content_type=content_type, stamp=stamp)

    def list_parts(self, s3_bucket: str, key: str, upload_id: str) -> list[StoredPart]:
        """The parts by number."""
        with self._called("list_parts", s3_bucket, key, upload_id):
            return self._store.list_parts(s3_bucket, key, upload_id)

    def complete_upload(self, s3_bucket: str, key: str, upload_id: str, parts: Sequence[StoredPart]) -> None:
        """Join the parts."""
        with self._called("complete_upload", s3_bucket, key, upload_id, tuple(parts)):
            self._store.complete_upload(s3_bucket, key, upload_id, parts)

    def abort_upload(self, s3_bucket: str, key: str, upload_id: str) -> None:
        """Drop the upload."""
        with self._called("abort_upload", s3_bucket, key, upload_id):
            self._store.abort_upload(s3_bucket, key, upload_id)

    def head_object(self, s3_bucket: str, key: str) -> StoredObject | None:
        """The object, or None."""
        with self._called("head_object", s3_bucket, key):
            return self._store.head_object(s3_bucket, key)

    def delete_object(self, s3_bucket: str, key: str) -> None:
        """Drop the object."""
        with self._called("delete_object", s3_bucket, key):
            self._store.delete_object(s3_bucket, key)

    def list_uploads(self, s3_bucket: str, prefix: str = "") -> Iterator[ListedUpload]:
        """The uploads that are open."""
        with self._called("list_uploads", s3_bucket, prefix):
            listed = list(self._store.list_uploads(s3_bucket, prefix))
        yield from listed


@dataclass
class Backend:
    """An application, its store, and the store seen past the application.

    Attributes:
        name: for people.
        each_step: whether the invariants are checked after each operation, or after each sequence only.
        faults: where errors are planned.
        put: puts a part of a size, made of a seed, to an upload; its ETag, or None if the store knows no such upload.
        objects: (key, size, ETag) of what the store holds.
        uploads: keys of the uploads that are open at the store.
    """

    name: str
    world: RecordsWorld
    each_step: bool
    faults: Interferences
    put: Callable[[Upload, int, int, int], str | None]
    objects: Callable[[], list[tuple[str, int, str]]]
    uploads: Callable[[], list[str]]

    @property
    def clock(self) -> Clock:
        """The time, as the application has it."""
        return self.world.clock


@contextmanager
def dated_by(clock: Clock) -> Iterator[None]:
    """Invenio's versions get the time of the test's clock, each later than all before."""

    def date(_: Any, __: Any, version: ObjectVersion) -> None:
        clock.forward(milliseconds=1)
        version.created = clock()

    sa.event.listen(ObjectVersion, "before_insert", date)
    try:
        yield
    finally:
        sa.event.remove(ObjectVersion, "before_insert", date)


@contextmanager
def fake_and_sqlite(folder: Path) -> Iterator[Backend]:
    """The fake store and SQLite in a folder."""
    clock = Clock()
    store = FakeStore(min_part_size=100, refuse_subset=True, clock=clock)

    def put(upload: Upload, number: int, size: int, seed: int) -> str | None:
        if upload.s3_upload_id not in {one.upload_id for one in store.uploads()}:
            return None
        content = body_of(size, seed)
        return store.put_part(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "", number, content).etag

    url = f"sqlite:///{folder / 'soak.db'}"
    with records_world(url, clock, S3_CLIENT=lambda **_: store, **SETTINGS) as world, dated_by(clock):
        MultipartObject.__table__.create(db.engine)
        yield Backend(
            "fake store + SQLite",
            world,
            each_step=True,
            faults=store,
            put=put,
            objects=lambda: [(key, one.size, one.etag) for (_, key), one in store.objects().items()],
            uploads=lambda: [one.key for one in store.uploads()],
        )


@contextmanager
def ceph_and_postgres(ceph: CephServer, database_url: str) -> Iterator[Backend]:
    """A gateway of Ceph that takes small parts, and a database of PostgreSQL."""
    clock, s3, bucket = Clock(), ceph.client(), ceph.create_bucket(f"soak-{uuid4().hex[:12]}")
    client_kwargs = {"endpoint_url": ceph.endpoint, "region_name": ceph.region}
    store = FaultyStore(S3Client(ceph.access_key, ceph.secret_key, client_kwargs))

    def put(upload: Upload, number: int, size: int, seed: int) -> str | None:
        content = body_of(size, seed)
        where = {"Bucket": bucket, "Key": upload.s3_key, "UploadId": upload.s3_upload_id or ""}
        try:
            s3.upload_part(**where, PartNumber=number, Body=content)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            return None
        return hashlib.md5(content).hexdigest()

    def objects() -> list[tuple[str, int, str]]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        listed = [one for page in pages for one in page.get("Contents", ())]
        return [(one["Key"], one["Size"], one["ETag"].strip('"')) for one in listed]

    def uploads() -> list[str]:
        pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
        return [one["Key"] for page in pages for one in page.get("Uploads", ())]

    with records_world(database_url, clock, S3_CLIENT=lambda **_: store, **SETTINGS) as world, dated_by(clock):
        MultipartObject.__table__.create(db.engine)
        db.session.query(Location).update({"uri": f"s3://{bucket}"})
        db.session.commit()
        # The store compares with its own clock when a URL was signed.
        world.service.context.presigner._clock = lambda: datetime.now(UTC)
        yield Backend("Ceph + PostgreSQL", world, False, store, put, objects, uploads)

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Uploads by the thousand, made without going through the application: at the store, and as rows."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
import urllib3
from invenio_db import db
from invenio_files_rest.models import Bucket, FileInstance, ObjectVersion

from oarepo_s3.store.presign import Credentials, Presigner
from oarepo_s3.uploads.models import UploadSession, slot_of
from oarepo_s3.uploads.states import State
from tests.servers.ceph import CephServer

BUCKETS = 50
LANES = 8
SIZE = 10
"""Declared bytes of each upload."""


class Rows:
    """Makes rows in the database of the current application, in buckets of its own."""

    def __init__(self) -> None:
        """Create the buckets."""
        for _ in range(BUCKETS):
            Bucket.create()
        db.session.commit()
        self.bucket_ids = list(db.session.execute(sa.select(Bucket.id)).scalars())

    def insert(self, uploads: list[tuple[str, str]], expires_at: datetime) -> None:
        """Rows of uploads, with their pending files."""
        rows = [self._row(number, *upload, expires_at) for number, upload in enumerate(uploads)]
        files = [
            {"id": row["file_id"], "uri": f"s3://files/{row['s3_key']}", "size": SIZE, "readable": False,
             "writable": True}
            for row in rows
        ]  # fmt: skip
        versions = [
            {"version_id": row["version_id"], "key": row["key"], "bucket_id": row["bucket_id"],
             "file_id": row["file_id"], "is_head": True}
            for row in rows
        ]  # fmt: skip
        for model, values in ((FileInstance, files), (ObjectVersion, versions), (UploadSession, rows)):
            db.session.execute(sa.insert(model), values)
        for bucket_id in self.bucket_ids:
            added = SIZE * sum(row["bucket_id"] == bucket_id for row in rows)
            db.session.execute(sa.update(Bucket).where(Bucket.id == bucket_id).values(size=Bucket.size + added))
        db.session.commit()

    def _row(self, number: int, s3_key: str, s3_upload_id: str, expires_at: datetime) -> dict[str, Any]:
        bucket_id = self.bucket_ids[number % len(self.bucket_ids)]
        now = datetime.now(UTC)
        slot = slot_of(bucket_id, s3_key)
        return {
            "id": uuid.uuid4(), "public_id": uuid.uuid4().hex, "state": State.OPEN, "slot": slot, "active_slot": slot,
            "bucket_id": bucket_id, "key": s3_key, "version_id": uuid.uuid4(), "file_id": uuid.uuid4(),
            "took_head": True, "s3_bucket": "files", "s3_key": s3_key, "s3_upload_id": s3_upload_id, "size": SIZE,
            "part_size": SIZE, "parts_count": 1, "content_type": "application/octet-stream", "owner_data": {},
            "created": now, "updated": now, "expires_at": expires_at, "due_at": expires_at,
        }  # fmt: skip


class Seeder:
    """Makes uploads in the store's bucket ``files`` and in the database of the current application."""

    def __init__(self, server: CephServer) -> None:
        """Work with this store."""
        self.server = server
        self.rows = Rows()
        self._client = server.client()
        self._pool = urllib3.PoolManager(maxsize=LANES)
        self._presigner = Presigner(
            endpoint_url=server.endpoint,
            region=server.region,
            credentials=lambda: Credentials(server.access_key, server.secret_key),
        )

    def at_store(self, count: int) -> list[tuple[str, str]]:
        """(key, upload id) of new uploads with a part each."""
        with ThreadPoolExecutor(LANES) as lanes:
            return list(lanes.map(self._at_store, [f"{uuid.uuid4()}/data" for _ in range(count)]))

    def expired(self, count: int) -> None:
        """Uploads that are open, with a part each, and have expired."""
        self.rows.insert(self.at_store(count), datetime.now(UTC) - timedelta(minutes=1))

    def left_over(self) -> int:
        """What a sweep should have ended: uploads at the store, pending files, open rows, bytes of the buckets."""
        db.session.commit()
        at_store = sum(
            len(page.get("Uploads", ()))
            for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket="files")
        )
        files = db.session.query(FileInstance).count()
        rows = db.session.query(UploadSession).filter(UploadSession.active_slot.is_not(None)).count()
        size = int(db.session.query(sa.func.sum(Bucket.size)).scalar())
        return at_store + files + rows + size

    def _at_store(self, key: str) -> tuple[str, str]:
        upload_id: str = self._client.create_multipart_upload(Bucket="files", Key=key)["UploadId"]
        signer = self._presigner.upload(s3_bucket="files", key=key, upload_id=upload_id, expires_in=600)
        answer = self._pool.request("PUT", signer.url(1), body=b"x" * SIZE)
        assert answer.status == 200, answer.status
        return key, upload_id

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The stores that the contract suite runs over, and in what they differ."""

import base64
import hashlib
import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from oarepo_s3.errors import StoreError, StoreUnknownOutcome, StoreUploadGone
from oarepo_s3.store.client import S3Client
from oarepo_s3.store.contract import CreatedUpload, Store
from oarepo_s3.store.presign import PartSigner, Presigner
from oarepo_s3.testing import FakeStore
from tests.servers.s3 import S3Server

MIB = 2**20
CONTENT_TYPE = "text/x-test"
STAMP = "0b5f6bd4-6d1c-4f2e-8f8c-0d6a2f6d8c11"


@dataclass(frozen=True)
class Facts:
    """In what a store differs from AWS, which the defaults describe.

    Attributes:
        min_part_size: bytes that each part but the last must have.
        checks_requests: signatures, pinned lengths and Content-MD5 are enforced.
        replaces_parts: a part may be put again with other content.
        takes_subset: stored parts that are not in the list of parts are dropped, not a reason to refuse.
        keeps_damaged: a part refused for its Content-MD5 leaves the upload as it was.
        keeps_refused: after a refused CompleteMultipartUpload the upload is still there.
        complete_twice: what the second CompleteMultipartUpload raises, None for the same answer again.
        complete_unknown: what CompleteMultipartUpload raises for an upload that is unknown.
        lists_completed: ListParts goes on to list the parts of a completed upload.
        composite_etag: the ETag of the object is made of those of the parts, and there is ``-N`` at its end.
        dates_uploads: the listing says truly when an upload was initiated.
        keeps_paths: keys are not taken for paths: ``a//b``, ``./a`` and ``a/../b`` are allowed.
    """

    min_part_size: int = 5 * MIB
    checks_requests: bool = True
    replaces_parts: bool = True
    takes_subset: bool = True
    keeps_damaged: bool = True
    keeps_refused: bool = True
    complete_twice: type[StoreError] | None = None
    complete_unknown: type[StoreError] = StoreUploadGone
    lists_completed: bool = False
    composite_etag: bool = True
    dates_uploads: bool = True
    keeps_paths: bool = True


# Named as the fixtures of the servers; "fake" and "fake_like_rclone" are FakeStores.
FACTS: Mapping[str, Facts] = {
    # The unknown upload is "already in progress".
    "ceph": Facts(takes_subset=False, complete_unknown=StoreUnknownOutcome),
    # Parts are streamed into the file as they come, so nothing can be replaced, and a refusal destroys the upload,
    # be it of a list of parts or of the part that would be written next.
    "rclone": Facts(
        min_part_size=1,
        replaces_parts=False,
        takes_subset=False,
        keeps_damaged=False,
        keeps_refused=False,
        complete_twice=StoreUploadGone,
        composite_etag=False,
        keeps_paths=False,
    ),
    "swift": Facts(lists_completed=True),
    # The unknown upload is a crash of the server; all uploads were initiated in 2010.
    "moto_server": Facts(checks_requests=False, complete_unknown=StoreUnknownOutcome, dates_uploads=False),
    "fake": Facts(),
    "fake_like_rclone": Facts(min_part_size=1, takes_subset=False, complete_twice=StoreUploadGone),
}
REAL = [name for name in FACTS if not name.startswith("fake")]
CHECKING = [name for name in REAL if FACTS[name].checks_requests]


def fake_store(name: str) -> FakeStore:
    """Build the FakeStore of that name."""
    if name == "fake":
        return FakeStore(buckets=["bucket"])
    return FakeStore(buckets=["bucket"], min_part_size=1, complete_twice="gone", refuse_subset=True)


def connect(server: S3Server, **options: Any) -> S3Client:
    """Build a client of a server that gives up at once."""
    client_kwargs = {"endpoint_url": server.endpoint, "region_name": server.region}
    settings = {"access_key": server.access_key, "secret_key": server.secret_key, "client_kwargs": client_kwargs}
    return S3Client(**(settings | {"attempts": 1} | options))


class PartRefused(Exception):
    """The store has not taken a part; the text is the status and the body of its answer."""


@dataclass(frozen=True)
class Answer:
    """What the store answered to a PUT."""

    status: int
    etag: str
    text: str = field(repr=False)


def put(url: str, body: bytes, headers: Mapping[str, str] | None = None, trust: ssl.SSLContext | None = None) -> Answer:
    """PUT to a URL and add no header but Host and Content-Length, as urllib would add others."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    if trust is None:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    else:
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=30, context=trust)
    try:
        connection.request("PUT", f"{parts.path}?{parts.query}", body, dict(headers or {}))
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        return Answer(response.status, (response.getheader("ETag") or "").strip('"'), text)
    finally:
        connection.close()


def content_md5(body: bytes) -> str:
    """Return the value of the Content-MD5 header."""
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def md5_hex(body: bytes) -> str:
    """Return the MD5 in hexadecimal digits: the ETag of a part."""
    return hashlib.md5(body).hexdigest()


@dataclass(frozen=True)
class StoreCase:
    """A store, a bucket in it and how to put parts."""

    facts: Facts
    store: Store
    s3_bucket: str
    server: S3Server | None = None

    def signer(self, key: str, upload_id: str) -> PartSigner:
        """Return a signer of part URLs."""
        assert isinstance(self.store, S3Client)
        presigner = Presigner(
            endpoint_url=self.store.endpoint_url, region=self.store.region, credentials=self.store.credentials
        )
        bucket = self.store.wire_bucket(self.s3_bucket)
        return presigner.upload(s3_bucket=bucket, key=key, upload_id=upload_id, expires_in=600)

    def create(self, key: str, stamp: str = STAMP) -> CreatedUpload:
        """Open an upload."""
        return self.store.create_upload(self.s3_bucket, key, content_type=CONTENT_TYPE, stamp=stamp)

    def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> None:
        """Put a part as a client does: by a presigned URL, where the store is a real one."""
        if isinstance(self.store, FakeStore):
            self.store.put_part(self.s3_bucket, key, upload_id, number, body)
        else:
            answer = put(self.signer(key, upload_id).url(number), body)
            if answer.status != 200:
                raise PartRefused(f"{answer.status} {answer.text}")
            assert answer.etag == md5_hex(body)

    def upload(self, key: str, *bodies: bytes, stamp: str = STAMP) -> str:
        """Open an upload and put its parts; return its id."""
        upload_id = self.create(key, stamp).upload_id
        for number, body in enumerate(bodies, start=1):
            self.put_part(key, upload_id, number, body)
        return upload_id

    def complete(self, key: str, upload_id: str) -> None:
        """Complete an upload with all parts that are there."""
        self.store.complete_upload(
            self.s3_bucket, key, upload_id, self.store.list_parts(self.s3_bucket, key, upload_id)
        )


def unknown_upload_id() -> str:
    """Return an upload id that no store has given out."""
    return uuid4().hex

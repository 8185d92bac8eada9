# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The storage's own work at a real store: streams, downloads, copies, deletion; with and without a tenant."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from flask import Flask
from invenio_db import db
from invenio_files_rest.errors import FileSizeError
from invenio_files_rest.models import Bucket, FileInstance, ObjectVersion

from oarepo_s3.api import MultipartUpload
from oarepo_s3.uploads.states import State
from tests.servers.ceph import CephServer

from .records_app import create_tables, make_records_app

MIB = 2**20
CONTENT = b"measured " * 1000


@pytest.fixture(params=["plain", "tenant"])
def app(request: pytest.FixtureRequest, ceph: CephServer, tmp_path: Path) -> Iterator[Flask]:
    settings: dict[str, Any] = {"S3_ACCESS_KEY_ID": ceph.access_key, "S3_SECRET_ACCESS_KEY": ceph.secret_key}
    if request.param == "tenant":
        settings = {
            "S3_TENANT": ceph.tenant,
            "S3_ACCESS_KEY_ID": ceph.tenant_access_key,
            "S3_SECRET_ACCESS_KEY": ceph.tenant_secret_key,
        }
    client = ceph.client(
        aws_access_key_id=settings["S3_ACCESS_KEY_ID"], aws_secret_access_key=settings["S3_SECRET_ACCESS_KEY"]
    )
    s3_bucket = f"storage-{request.param}"
    client.create_bucket(Bucket=s3_bucket)  # a bucket that is there already, and is one's own, is success on Ceph
    app = make_records_app(
        f"sqlite:///{tmp_path / 'test.db'}", S3_ENDPOINT_URL=ceph.endpoint, S3_REGION_NAME=ceph.region, **settings
    )
    with app.app_context():
        create_tables(s3_bucket)
        yield app
        db.session.remove()
        db.engine.dispose()


def saved(key: str = "a b.txt") -> ObjectVersion:
    version: ObjectVersion = ObjectVersion.create(Bucket.create(), key, stream=io.BytesIO(CONTENT))
    db.session.commit()
    return version


def test_stream_is_saved_read_verified_and_deleted(app: Flask) -> None:
    file = saved().file
    assert (file.size, file.readable) == (len(CONTENT), True)
    assert file.checksum.startswith("md5:")
    with file.storage().open("rb") as stream:
        assert stream.read() == CONTENT
    assert file.verify_checksum() is True
    assert file.storage().delete() is True
    with pytest.raises(FileNotFoundError):
        file.storage().open("rb")


def test_download_goes_to_the_store(app: Flask) -> None:
    version = saved()
    with app.test_request_context():
        response = version.send_file(as_attachment=True)
    assert response.status_code == 302
    assert response.get_data() == b""
    answer = urllib3.request("GET", response.headers["Location"])
    assert (answer.status, answer.data) == (200, CONTENT)
    assert 'filename="a b.txt"' in answer.headers["Content-Disposition"]


def test_copy_within_the_store_keeps_size_and_checksum(app: Flask) -> None:
    source, copy = saved().file, FileInstance.create()
    copy.copy_contents(source, default_location=Bucket.create().location.uri)
    db.session.commit()
    assert (copy.size, copy.checksum) == (source.size, source.checksum)
    assert copy.uri != source.uri
    assert copy.verify_checksum() is True


def test_stream_that_is_too_big_is_refused_with_its_own_error(app: Flask) -> None:
    bucket = Bucket.create(max_file_size=10)
    db.session.commit()
    with pytest.raises(FileSizeError):
        ObjectVersion.create(bucket, "big", stream=io.BytesIO(CONTENT))
    db.session.rollback()


def test_upload_in_parts_is_verified_by_reading_it(app: Flask) -> None:
    upload = MultipartUpload(key="data.zip", size=6 * MIB, part_size=5 * MIB)
    version = ObjectVersion.create(Bucket.create(), "data.zip", stream=upload)
    db.session.commit()
    for part, size in zip(upload.session["parts"], (5 * MIB, MIB), strict=True):
        assert urllib3.request("PUT", part["url"], body=b"x" * size).status == 200
    service = app.extensions["oarepo-s3"].uploads
    assert service.complete(service.find(version.bucket_id, "data.zip")).state is State.COMPLETED
    file = db.session.get(FileInstance, version.file_id, populate_existing=True)
    assert file.checksum.endswith(f"-2-{5 * MIB}")
    assert file.verify_checksum() is True

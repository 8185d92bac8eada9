# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The storage over real stores: saving, reading, copying, fixity and downloads."""

import hashlib
import random
import uuid
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from flask import Flask
from invenio_db import db
from invenio_files_rest.errors import FileSizeError, StorageError
from invenio_files_rest.models import Bucket, FileInstance, Location, ObjectVersion
from invenio_files_rest.tasks import remove_file_data

from oarepo_s3 import config
from oarepo_s3.api import MultipartUpload
from oarepo_s3.errors import StoreRetryLater
from oarepo_s3.proxies import current_s3, current_store, current_uploads
from oarepo_s3.storage import S3FileStorage
from oarepo_s3.testing import FakeStore
from oarepo_s3.uploads.opening import OpenRequest
from tests.servers.ceph import CephServer
from tests.servers.s3 import S3Server
from tests.store.stores import put

from .conftest import MIB, create_tables, make_app

CONTENT = random.Random(1).randbytes(6 * MIB)


@pytest.fixture(params=["rclone", "ceph"])
def server(request: pytest.FixtureRequest) -> S3Server:
    found: S3Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def app(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """An application whose default location is a bucket of a real store."""
    settings = {"S3_ENDPOINT_URL": server.endpoint, "S3_REGION_NAME": server.region}
    keys = {"S3_ACCESS_KEY_ID": server.access_key, "S3_SECRET_ACCESS_KEY": server.secret_key}
    app = make_app(f"sqlite:///{tmp_path / 'test.db'}", FakeStore(), **settings, **keys)
    app.config["S3_CLIENT"] = config.S3_CLIENT
    monkeypatch.setattr("oarepo_s3.ext.load_owners", dict)
    with app.app_context(), app.test_request_context():
        create_tables()
        db.session.add(Location(name="default", uri=f"s3://{server.create_bucket()}", default=True))
        db.session.commit()
        yield app
        db.session.remove()
        db.engine.dispose()


def make_bucket() -> Bucket:
    bucket = Bucket.create()
    db.session.commit()
    return bucket


def save(content: bytes, key: str = "data.bin") -> ObjectVersion:
    version = ObjectVersion.create(make_bucket(), key, stream=BytesIO(content))
    db.session.commit()
    return version


def upload(content: bytes, part_size: int = 5 * MIB, *, opaque: bool = False) -> FileInstance:
    """A file that went to the store in parts."""
    object.__setattr__(current_uploads.context.rules, "opaque_etags", opaque)
    opened = current_uploads.open(OpenRequest(make_bucket().id, "data.bin", len(content), part_size=part_size)).upload
    for part in current_uploads.sign(opened):
        start = (part.number - 1) * part_size
        assert put(part.url, content[start : start + part_size]).status == 200
    current_uploads.complete(opened)
    return db.session.get(FileInstance, opened.file_id, populate_existing=True)


def replace_object(server: S3Server, file: FileInstance, content: bytes) -> None:
    s3_bucket, _, key = file.uri.removeprefix("s3://").partition("/")
    server.client().put_object(Bucket=s3_bucket, Key=key, Body=content)


def read(file: FileInstance) -> bytes:
    with file.storage().open() as stream:
        return bytes(stream.read())


def test_stream_is_saved_as_before(app: Flask) -> None:
    file = save(CONTENT).file
    assert isinstance(file.storage(), S3FileStorage)
    assert (file.readable, file.writable, file.size) == (True, False, len(CONTENT))
    assert file.checksum == f"md5:{hashlib.md5(CONTENT).hexdigest()}"
    assert read(file) == CONTENT
    assert file.verify_checksum()


def test_stream_that_is_too_big_is_refused_with_its_own_error(app: Flask) -> None:
    bucket = Bucket.create(max_file_size=10)
    db.session.commit()
    with pytest.raises(FileSizeError):
        ObjectVersion.create(bucket, "big", stream=BytesIO(CONTENT))
    db.session.rollback()


def test_copy_stays_in_the_store_and_keeps_size_and_checksum(app: Flask) -> None:
    source = save(b"some content").file
    copy = FileInstance.create()
    db.session.flush()
    copy.copy_contents(source, default_location=Location.get_default().uri)
    db.session.commit()
    assert copy.uri != source.uri
    assert (copy.size, copy.checksum) == (source.size, source.checksum)
    assert read(copy) == b"some content"


def test_copy_from_elsewhere(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    db.session.add(Location(name="local", uri=str(tmp_path / "files"), default=False))
    db.session.commit()
    source = ObjectVersion.create(Bucket.create(location="local"), "a", stream=BytesIO(b"local content")).file
    db.session.commit()
    copy = FileInstance.create()
    db.session.flush()
    copy.copy_contents(source, default_location=Location.get_default().uri)
    assert (copy.size, copy.checksum) == (13, source.checksum)
    assert read(copy) == b"local content"


def test_copy_of_a_storage_without_a_row(app: Flask) -> None:
    source = save(b"content").file
    bare = S3FileStorage(source.uri, size=7)
    target = S3FileStorage(f"{Location.get_default().uri}/{uuid.uuid4()}/data")
    assert target.copy(bare) == (target.fileurl, 7, None)
    assert bare._file_id() is None


def test_deleted_row_takes_the_object_with_it(app: Flask) -> None:
    version = save(b"content")
    file_id, uri = version.file_id, version.file.uri
    s3_bucket, _, key = uri.removeprefix("s3://").partition("/")
    assert current_store.head_object(s3_bucket, key) is not None
    version.remove()
    db.session.commit()
    remove_file_data(str(file_id), silent=False, force=True)
    assert current_store.head_object(s3_bucket, key) is None


@pytest.mark.parametrize("sizes", [(6 * MIB, 5 * MIB), (MIB, 5 * MIB), (6 * MIB, 6 * MIB)], ids=["2", "small", "1"])
def test_fixity_of_a_file_in_parts(app: Flask, server: S3Server, sizes: tuple[int, int]) -> None:
    size, part_size = sizes
    file = upload(CONTENT[:size], part_size)
    assert file.checksum is not None
    assert file.checksum.startswith("multipart:")
    assert file.checksum.endswith(f"-{part_size}")
    seen: list[tuple[int, int]] = []
    assert file.verify_checksum(progress_callback=lambda total, done: seen.append((total, done)))
    assert seen[-1] == (size, size)
    assert read(file) == CONTENT[:size]
    replace_object(server, file, CONTENT[: size - 1] + b"!")
    assert file.verify_checksum() is False


def test_fixity_of_an_opaque_etag(app: Flask, server: S3Server) -> None:
    file = upload(CONTENT, opaque=True)
    assert file.checksum is not None
    assert file.checksum.startswith("etag:")
    assert file.verify_checksum()
    replace_object(server, file, b"other")
    assert file.verify_checksum() is False
    file.storage().delete()
    with pytest.raises(StorageError):
        file.verify_checksum()
    assert file.verify_checksum(throws=False) is None


def test_fixity_of_a_plain_file(app: Flask, server: S3Server) -> None:
    file = save(b"content").file
    assert file.verify_checksum()
    replace_object(server, file, b"comment")
    assert file.verify_checksum() is False


@pytest.mark.parametrize("as_attachment", [True, False])
def test_download_leads_to_the_store(app: Flask, as_attachment: bool) -> None:
    version = save(b"a,b\n1,2\n", "t\u0159i tabulky.csv")
    response = version.send_file(as_attachment=as_attachment)
    assert response.status_code == 302
    assert response.get_data() == b""
    url = response.headers["Location"]
    with urlopen(url, timeout=30) as answer:
        assert answer.read() == b"a,b\n1,2\n"
        disposition = answer.headers["Content-Disposition"] or ""
        assert disposition.startswith("attachment") is as_attachment
        if as_attachment:
            assert "tabulky.csv" in disposition


def test_download_by_the_public_endpoint(app: Flask, server: S3Server) -> None:
    app.config["S3_PUBLIC_ENDPOINT_URL"] = f"http://localhost:{server.port}"
    url = save(b"content").send_file().headers["Location"]
    assert urlsplit(url).netloc == f"localhost:{server.port}"
    with urlopen(url, timeout=30) as answer:
        assert answer.read() == b"content"
    assert current_store.endpoint_url == server.endpoint


def test_download_that_cannot_be_signed(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    version = save(b"content")

    def refuse(**_: Any) -> None:
        raise StoreRetryLater("no credentials just now")

    monkeypatch.setattr(current_s3.presigner, "get_object", refuse)
    with pytest.raises(StorageError, match="no credentials just now"):
        version.send_file()


def test_upload_by_assignment(app: Flask) -> None:
    mu = MultipartUpload("data.bin", size=len(CONTENT), part_size=5 * MIB)
    version = ObjectVersion.create(make_bucket(), "data.bin", stream=mu)
    db.session.commit()
    for part, start in zip(mu.session["parts"], (0, 5 * MIB), strict=True):
        assert put(part["url"], CONTENT[start : start + 5 * MIB]).status == 200
    current_uploads.complete(current_uploads.of_file(version.file_id))
    db.session.refresh(version)
    assert read(version.file) == CONTENT


@pytest.mark.parametrize("server", ["ceph"], indirect=True)
def test_bucket_of_a_tenant(app: Flask, server: CephServer) -> None:
    keys = {"aws_access_key_id": server.tenant_access_key, "aws_secret_access_key": server.tenant_secret_key}
    name = f"tenants-{uuid.uuid4().hex[:12]}"
    server.client(**keys).create_bucket(Bucket=name)
    app.config.update(
        S3_TENANT=server.tenant,
        S3_ACCESS_KEY_ID=server.tenant_access_key,
        S3_SECRET_ACCESS_KEY=server.tenant_secret_key,
    )
    Location.get_default().uri = f"s3://{name}"
    db.session.commit()
    version = save(b"content")
    assert version.file.uri.startswith(f"s3://{name}/")
    assert read(version.file) == b"content"
    with urlopen(version.send_file().headers["Location"], timeout=30) as answer:
        assert answer.read() == b"content"
    file = upload(CONTENT)
    assert file.verify_checksum()
    copy = FileInstance.create()
    db.session.flush()
    copy.copy_contents(file, default_location=f"s3://{name}")
    assert copy.uri.startswith(f"s3://{name}/")
    assert read(copy) == CONTENT
    assert file.storage().delete()
    assert current_store.head_object(name, file.uri.removeprefix(f"s3://{name}/")) is None

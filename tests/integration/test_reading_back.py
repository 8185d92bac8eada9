# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Completed files are read back to get the MD5 of the whole, however often reading breaks off."""

import hashlib
import uuid
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from invenio_db import db
from invenio_files_rest.errors import StorageError
from invenio_files_rest.models import FileInstance

from oarepo_s3 import reading_back
from oarepo_s3.reading_back import replace_composite_checksum, request_md5
from tests.integration.records_app import create_tables, make_records_app
from tests.servers.s3 import S3Server

CONTENT = bytes(range(256)) * 1000
PART = 100_000
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


def composite(content: bytes = CONTENT, part_size: int = PART) -> str:
    parts = [content[start : start + part_size] for start in range(0, len(content), part_size)]
    joined = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    return f"multipart:{joined}-{len(parts)}-{part_size}"


@pytest.fixture
def app(tmp_path: Path, ceph: S3Server) -> Iterator[Any]:
    app = make_records_app(
        database_url=f"sqlite:///{tmp_path / 'files.db'}",
        S3_ENDPOINT_URL=ceph.endpoint,
        S3_ACCESS_KEY_ID=ceph.access_key,
        S3_SECRET_ACCESS_KEY=ceph.secret_key,
        S3_REGION_NAME=ceph.region,
        S3_MULTIPART_RDM_RECOMPUTE_RATE=10**9,
    )
    with app.app_context():
        create_tables("files")
        yield app


def add_file(checksum: str | None, uri: str = "s3://files/data") -> str:
    file = FileInstance.create()
    file.set_uri(uri, len(CONTENT), checksum, readable=True, writable=False)
    db.session.commit()
    return str(file.id)


def row(file_id: str) -> tuple[str, bool | None, bool]:
    db.session.expire_all()
    file = db.session.get(FileInstance, uuid.UUID(file_id))
    assert file is not None
    return file.checksum, file.last_check, file.last_check_at is not None


class Storage:
    """Has the content, and breaks off after so many bytes of each reading, or at once from a byte on."""

    def __init__(self, content: bytes = CONTENT, *, lasts: int | None = None, dead_at: int | None = None) -> None:
        self.content, self.lasts, self.dead_at = content, lasts, dead_at
        self.opened: list[int] = []

    def open(self, mode: str) -> Any:
        storage = self

        class Stream(BytesIO):
            def seek(self, offset: int, whence: int = 0) -> int:
                storage.opened.append(offset)
                return super().seek(offset, whence)

            def read(self, size: int | None = -1) -> bytes:
                if storage.dead_at is not None and self.tell() >= storage.dead_at:
                    raise ConnectionError("cut")
                if storage.lasts is not None and self.tell() - storage.opened[-1] >= storage.lasts:
                    raise ConnectionError("cut")
                return super().read(size)

        return Stream(self.content)


@pytest.fixture
def kept_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(reading_back, "BLOCK", 30_000)

    def keep(storage: Storage) -> Storage:
        monkeypatch.setattr(FileInstance, "storage", lambda self, **_: storage)
        return storage

    return keep


def test_a_file_at_the_store_gets_its_md5(app: Any, ceph: S3Server) -> None:
    bucket, key = f"back-{uuid.uuid4().hex[:8]}", "data"
    client = ceph.client()
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key=key, Body=CONTENT)
    file_id = add_file(composite(), f"s3://{bucket}/{key}")
    assert replace_composite_checksum(file_id) == MD5
    assert row(file_id) == (MD5, True, True)
    assert replace_composite_checksum(file_id) is None


def test_reading_goes_on_where_it_broke_off(app: Any, kept_in: Any) -> None:
    storage = kept_in(Storage(lasts=60_000))
    assert replace_composite_checksum(add_file(composite())) == MD5
    assert storage.opened == [0, 60_000, 130_000, 190_000]


def test_reading_that_never_gets_on_is_given_up(app: Any, kept_in: Any) -> None:
    storage = kept_in(Storage(dead_at=60_000))
    file_id = add_file(composite())
    with pytest.raises(ConnectionError):
        replace_composite_checksum(file_id)
    assert len(storage.opened) == 2 + reading_back.BREAKS
    assert row(file_id) == (composite(), True, False)


def test_a_damaged_file_keeps_its_checksum_and_has_failed_the_check(app: Any, kept_in: Any) -> None:
    kept_in(Storage(b"x" + CONTENT[1:]))
    file_id = add_file(composite())
    with pytest.raises(StorageError):
        replace_composite_checksum(file_id)
    assert row(file_id) == (composite(), False, True)


def test_a_file_that_ends_early_is_an_error(app: Any, kept_in: Any) -> None:
    kept_in(Storage(CONTENT[:-1]))
    with pytest.raises(StorageError):
        replace_composite_checksum(add_file(composite()))


@pytest.mark.parametrize("checksum", [MD5, "etag:abc", None])
def test_other_checksums_are_left_alone(app: Any, kept_in: Any, checksum: str | None) -> None:
    storage = kept_in(Storage())
    file_id = add_file(checksum)
    assert replace_composite_checksum(file_id) is None
    assert storage.opened == []


def test_a_file_that_is_gone_is_left_alone(app: Any) -> None:
    assert replace_composite_checksum(str(uuid.uuid4())) is None


def test_a_checksum_that_has_changed_meanwhile_stays(app: Any, kept_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = kept_in(Storage())
    file_id = add_file(composite())
    opened = storage.open

    def change(mode: str) -> Any:
        file = db.session.get(FileInstance, uuid.UUID(file_id))
        file.checksum = "md5:other"
        db.session.commit()
        return opened(mode)

    monkeypatch.setattr(storage, "open", change)
    assert replace_composite_checksum(file_id) is None
    assert row(file_id)[0] == "md5:other"


def test_no_connection_is_held_while_the_file_is_read(app: Any, kept_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, held = kept_in(Storage()), []
    opened = storage.open

    def look(mode: str) -> Any:
        held.append(db.session().in_transaction())
        return opened(mode)

    monkeypatch.setattr(storage, "open", look)
    replace_composite_checksum(add_file(composite()))
    assert held == [False]


def test_reading_keeps_to_the_rate(app: Any, kept_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app.config["S3_MULTIPART_RDM_RECOMPUTE_RATE"] = 100_000
    kept_in(Storage())
    slept: list[float] = []
    monkeypatch.setattr(reading_back, "time", type("Clock", (), {"monotonic": lambda: 0.0, "sleep": slept.append}))
    assert replace_composite_checksum(add_file(composite())) == MD5
    assert sum(slept) == pytest.approx(len(CONTENT) / 100_000)


@pytest.mark.parametrize("rate", [None, 0, 10**6])
def test_the_task_is_sent_only_where_it_is_wanted(app: Any, rate: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    app.config["S3_MULTIPART_RDM_RECOMPUTE_RATE"] = rate
    sent: list[str] = []
    monkeypatch.setattr(replace_composite_checksum, "delay", sent.append)
    file_id = uuid.uuid4()
    request_md5(file_id)
    assert sent == ([str(file_id)] if rate else [])

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""An application without records: buckets, files, uploads, a fake store and a clock that can be moved."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from invenio_db import InvenioDB, db
from invenio_files_rest import InvenioFilesREST
from invenio_files_rest.models import Bucket, FileInstance, Location, ObjectVersion
from invenio_s3 import InvenioS3

from oarepo_s3.ext import OARepoS3
from oarepo_s3.testing import Blank, FakeStore
from oarepo_s3.uploads.context import Owner
from oarepo_s3.uploads.models import Upload, UploadEvent, UploadSession
from oarepo_s3.uploads.opening import Opened, OpenRequest
from oarepo_s3.uploads.service import UploadService
from tests.integration.tables import make_tables

MIB = 2**20


ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
"""For what takes two writers at a time, which SQLite does not have."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        """Move the clock."""
        self.now += timedelta(**delta)


@dataclass
class RecordingOwner:
    """An owner adapter that only remembers what it was told."""

    told: list[tuple[str, str]] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)

    def _tell(self, what: str, upload: Upload) -> None:
        if upload.key in self.failing:
            raise RuntimeError("this owner cannot")
        self.told.append((what, upload.key))

    def opened(self, session: Any, uploads: Sequence[Upload]) -> None:
        for upload in uploads:
            self._tell("opened", upload)

    def completed(self, session: Any, uploads: Sequence[Upload]) -> None:
        for upload in uploads:
            self._tell("completed", upload)

    def released(self, session: Any, uploads: Sequence[Upload]) -> None:
        for upload in uploads:
            self._tell("released", upload)

    def releasing(self, session: Any, uploads: Sequence[Upload]) -> None:
        """Nothing refers to the versions."""

    def subject(self, upload: Upload) -> tuple[Any, Any] | None:
        return None

    def catch_up(self, upload: Upload) -> None:
        self._tell("catch_up", upload)


@dataclass
class World:
    """What a test works with."""

    app: Flask
    store: FakeStore
    service: UploadService
    clock: Clock
    owner: RecordingOwner
    bucket_id: uuid.UUID

    def open(self, key: str = "data.zip", size: int = 12 * MIB, **facts: Any) -> Upload:
        """Open an upload in three parts of at most 5 MiB."""
        facts.setdefault("part_size", 5 * MIB)
        return self.opened(key, size, **facts).upload

    def opened(self, key: str = "data.zip", size: int = 12 * MIB, **facts: Any) -> Opened:
        return self.service.open(OpenRequest(self.bucket_id, key, size, **facts))

    def put(self, upload: Upload, *numbers: int, seed: str = "") -> None:
        """Put parts as planned; all of them unless numbers are given."""
        for number in numbers or range(1, upload.parts_count + 1):
            self.put_size(upload, number, upload.plan.size_of(number), seed)

    def put_size(self, upload: Upload, number: int, size: int, seed: str = "") -> None:
        self.store.put_part(
            upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "", number, Blank(size, f"{seed}{number}")
        )

    def current(self, upload: Upload) -> Upload:
        return self.service.find(upload.bucket_id, upload.key, upload.public_id)

    def bucket(self) -> Bucket:
        db.session.commit()
        return db.session.get(Bucket, self.bucket_id, populate_existing=True)

    def head(self, key: str = "data.zip") -> ObjectVersion | None:
        db.session.commit()
        return ObjectVersion.get(self.bucket_id, key)

    def file(self, upload: Upload) -> FileInstance | None:
        db.session.commit()
        return db.session.get(FileInstance, upload.file_id, populate_existing=True)

    def add_file(self, key: str = "data.zip", size: int = 7) -> uuid.UUID:
        """A readable file that is there already; its version id."""
        version = ObjectVersion.create(self.bucket(), key)
        version.set_location(f"s3://files/old/{uuid.uuid4()}", size, "md5:0")
        db.session.commit()
        return version.version_id  # type: ignore[no-any-return]

    def events(self, upload: Upload) -> list[str]:
        db.session.commit()
        rows = db.session.query(UploadEvent).filter_by(upload_id=upload.id).order_by(UploadEvent.id)
        return [row.event for row in rows]

    def nothing_left(self, upload: Upload) -> None:
        """Check that store, files, quota and slot are as if the upload never was."""
        assert self.store.uploads() == []
        assert not any(key == upload.s3_key for _, key in self.store.objects())
        assert self.file(upload) is None
        assert db.session.query(ObjectVersion).filter_by(version_id=upload.version_id).count() == 0
        assert self.current(upload).active_slot is None


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgres").create_database()
    return url


def make_app(database_url: str, store: FakeStore, **settings: Any) -> Flask:
    """An application with the fake store."""
    app = Flask("test")
    app.config.update(
        SQLALCHEMY_DATABASE_URI=database_url,
        SQLALCHEMY_ENGINE_OPTIONS={"pool_pre_ping": True},
        FILES_REST_STORAGE_FACTORY="oarepo_s3.storage.s3_storage_factory",
        S3_CLIENT=lambda **_: store,
        S3_MULTIPART_BUSY_WAIT=1,
        DB_VERSIONING=False,
        TESTING=True,
        **settings,
    )
    InvenioDB(app, entry_point_group=None)
    InvenioFilesREST(app)
    InvenioS3(app)
    OARepoS3(app)
    return app


def create_tables() -> None:
    """Create the tables that uploads need."""
    models = [Location, Bucket, FileInstance, ObjectVersion, UploadSession, UploadEvent]
    make_tables([model.__table__ for model in models] + [db.metadata.tables["files_objecttags"]])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    store = FakeStore(clock=clock)
    app = make_app(database_url, store)
    with app.app_context():
        create_tables()
        db.session.add(Location(name="default", uri="s3://files", default=True))
        bucket = Bucket.create()
        db.session.commit()
        owner = RecordingOwner()
        monkeypatch.setattr("oarepo_s3.ext.load_owners", lambda: dict[str, Owner](recorder=owner))
        service = app.extensions["oarepo-s3"].uploads
        object.__setattr__(service.context, "clock", clock)
        object.__setattr__(service.context, "sleep", lambda seconds: clock.forward(seconds=seconds))
        service.context.presigner._clock = clock
        yield World(app, store, service, clock, owner, bucket.id)
        db.session.remove()
        db.engine.dispose()

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A small Invenio application with records that have files, as an operator would put it together.

A user is whoever the header ``X-Test-User`` names; nobody without it. Records say themselves who may do what: ``owner``
may write, ``owner`` and ``readers`` may read.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from flask_login import LoginManager, UserMixin, current_user
from invenio_db import InvenioDB, db
from invenio_files_rest import InvenioFilesREST
from invenio_files_rest.models import Bucket, FileInstance, Location, ObjectVersion
from invenio_i18n import InvenioI18N
from invenio_pidstore import InvenioPIDStore
from invenio_pidstore.models import PersistentIdentifier, PIDStatus, Redirect
from invenio_records import InvenioRecords
from invenio_records.models import RecordMetadata
from invenio_records_files import InvenioRecordsFiles
from invenio_records_files.api import Record
from invenio_records_files.models import RecordsBuckets
from invenio_records_rest import InvenioRecordsREST
from invenio_records_rest.utils import PIDConverter
from invenio_rest import InvenioREST
from invenio_s3 import InvenioS3

from oarepo_s3.ext import OARepoS3
from oarepo_s3.records_files.blueprint import create_blueprint_from_app
from oarepo_s3.testing import Blank, FakeStore
from oarepo_s3.uploads.models import Upload, UploadEvent, UploadSession
from tests.integration.tables import make_tables

MIB = 2**20
USER_HEADER = "X-Test-User"

MODELS = [
    Location, Bucket, FileInstance, ObjectVersion, RecordMetadata, RecordsBuckets, PersistentIdentifier, Redirect,
    UploadSession, UploadEvent,
]  # fmt: skip


class Permission:
    """Whether the current user is one of those named."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def can(self) -> bool:
        return current_user.is_authenticated and current_user.id in self._names


def may_read(record: Any) -> Permission:
    return Permission(record["owner"], *record.get("readers", ()))


def may_write(record: Any) -> Permission:
    return Permission(record["owner"])


ENDPOINTS: dict[str, dict[str, Any]] = {
    "recid": {
        "pid_type": "recid",
        "record_class": "invenio_records_files.api:Record",
        "list_route": "/draft/records/",
        "item_route": '/draft/records/<pid(recid,record_class="invenio_records_files.api:Record"):pid_value>',
        "read_permission_factory_imp": may_read,
        "update_permission_factory_imp": may_write,
    }
}


class User(UserMixin):
    """A user without a password."""

    def __init__(self, name: str) -> None:
        self.id = name


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        """Move the clock."""
        self.now += timedelta(**delta)


def make_records_app(database_url: str, **settings: Any) -> Flask:
    """An application with our blueprint; settings replace those of here."""
    app = Flask("records")
    app.config.update(
        SQLALCHEMY_DATABASE_URI=database_url,
        FILES_REST_STORAGE_FACTORY="oarepo_s3.storage.s3_storage_factory",
        RECORDS_REST_ENDPOINTS=ENDPOINTS,
        S3_MULTIPART_BUSY_WAIT=1,
        DB_VERSIONING=False,
        SECRET_KEY="of a test",
        TESTING=True,
    )
    app.config.update(settings)
    app.url_map.converters["pid"] = PIDConverter
    _load_users(app)
    InvenioDB(app, entry_point_group=None)
    for extension in (InvenioI18N, InvenioREST, InvenioFilesREST, InvenioPIDStore, InvenioRecords, InvenioRecordsFiles):
        extension(app)
    for extension in (InvenioRecordsREST, InvenioS3, OARepoS3):
        extension(app)
    app.register_blueprint(create_blueprint_from_app(app))
    return app


def _load_users(app: Flask) -> None:
    manager = LoginManager(app)

    @manager.request_loader
    def load(request: Any) -> User | None:
        name = request.headers.get(USER_HEADER)
        return User(name) if name else None


def create_tables(s3_bucket: str) -> None:
    """Create the tables and a default location in the store's bucket."""
    names = ("files_objecttags", "files_buckettags")
    tables = [model.__table__ for model in MODELS] + [db.metadata.tables[name] for name in names]
    make_tables(tables)
    db.session.add(Location(name="default", uri=f"s3://{s3_bucket}", default=True))
    db.session.commit()


@dataclass
class RecordsWorld:
    """What a test works with: the application, its store and clock, and records by their number."""

    app: Flask
    store: FakeStore
    clock: Clock

    # records ----------------------------------------------------------------------------------------------------------

    def add_record(self, pid: str = "1", *, record_class: type[Record] = Record, **metadata: Any) -> uuid.UUID:
        """A record of ``owner``, readable for ``reader``; its bucket's id."""
        data = {"owner": "owner", "readers": ["reader"], "title": f"record {pid}"} | metadata
        record = record_class.create(data)
        PersistentIdentifier.create("recid", pid, object_type="rec", object_uuid=record.id, status=PIDStatus.REGISTERED)
        bucket_id: uuid.UUID = record.bucket.id
        db.session.commit()
        return bucket_id

    def record(self, pid: str = "1") -> Record:
        """The record as the database has it now."""
        db.session.commit()
        return Record.get_record(PersistentIdentifier.get("recid", pid).object_uuid, with_deleted=True)

    def files(self, pid: str = "1") -> list[dict[str, Any]]:
        """Its ``_files``."""
        entries: list[dict[str, Any]] = self.record(pid).get("_files", [])
        return entries

    def bucket(self, pid: str = "1") -> Bucket:
        db.session.commit()
        link = db.session.query(RecordsBuckets).filter_by(record_id=self.record(pid).id).one()
        return db.session.get(Bucket, link.bucket_id, populate_existing=True)

    def set_bucket(self, pid: str = "1", **facts: Any) -> None:
        """Change quota, lock and so on."""
        for name, value in facts.items():
            setattr(self.bucket(pid), name, value)
            db.session.commit()

    def head(self, key: str, pid: str = "1") -> ObjectVersion | None:
        return ObjectVersion.get(self.bucket(pid), key)

    def add_file(self, key: str = "data.zip", size: int = 7, pid: str = "1", **metadata: Any) -> uuid.UUID:
        """A readable file that is there already, with its entry; its version id."""
        version = ObjectVersion.create(self.bucket(pid), key)
        version.set_location(f"s3://files/old/{uuid.uuid4()}", size, "md5:0")
        db.session.flush()
        record = Record.get_record(PersistentIdentifier.get("recid", pid).object_uuid)
        files = record.files
        files.filesmap[key] = metadata
        files.flush()
        record.commit()
        db.session.commit()
        version_id: uuid.UUID = version.version_id
        return version_id

    # requests ---------------------------------------------------------------------------------------------------------

    def client(self, user: str | None = "owner") -> "Requests":
        return Requests(self.app.test_client(), user)

    # uploads ----------------------------------------------------------------------------------------------------------

    @property
    def service(self) -> Any:
        return self.app.extensions["oarepo-s3"].uploads

    def upload(self, key: str = "data.zip", pid: str = "1") -> Upload:
        upload: Upload = self.service.find(self.bucket(pid).id, key)
        return upload

    def put_parts(self, upload: Upload, *numbers: int, seed: str = "") -> dict[int, str]:
        """Put parts as planned, all of them unless numbers are given; their ETags."""
        chosen = numbers or range(1, upload.parts_count + 1)
        return {number: self.put_part(upload, number, upload.plan.size_of(number), seed) for number in chosen}

    def put_part(self, upload: Upload, number: int, size: int, seed: str = "") -> str:
        blank = Blank(size, f"{seed}{number}")
        return self.store.put_part(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "", number, blank).etag


@dataclass
class Requests:
    """A client that asks in the name of a user."""

    http: FlaskClient
    user: str | None = None

    def __call__(self, method: str, path: str, **arguments: Any) -> Any:
        headers = dict(arguments.pop("headers", {}))
        if self.user is not None:
            headers[USER_HEADER] = self.user
        db.session.commit()  # what the test has read must not hold up the application
        with self.http.application.app_context():  # else it would share the test's session and user
            return self.http.open(path, method=method, headers=headers, **arguments)

    def open(self, key: str = "data.zip", size: int = 12 * MIB, pid: str = "1", query: str = "", **fields: Any) -> Any:
        """Open an upload, in three parts of at most 5 MiB unless the fields say otherwise."""
        body = {"key": key, "size": size, "part_size": 5 * MIB, "multipart_content_type": "application/zip"} | fields
        body = {name: value for name, value in body.items() if value is not None}
        return self("POST", f"/draft/records/{pid}/files/?multipart=True{query}", json=body)

    def act(self, action: str, key: str = "data.zip", pid: str = "1", **arguments: Any) -> Any:
        """complete, abort, sign (POST) or parts (GET)."""
        method = "GET" if action == "parts" else "POST"
        return self(method, f"{file_path(key, pid)}/{action}-multipart", **arguments)


def file_path(key: str, pid: str = "1") -> str:
    """Path of a file, as a client has to write it."""
    from urllib.parse import quote

    return f"/draft/records/{pid}/files/{quote(key)}"


@contextmanager
def records_world(
    database_url: str, clock: Clock, *, s3_bucket: str = "files", **settings: Any
) -> Iterator[RecordsWorld]:
    """An application over the fake store, inside its context."""
    store = FakeStore(clock=clock)
    app = make_records_app(database_url, **{"S3_CLIENT": lambda **_: store, **settings})
    with app.app_context():
        create_tables(s3_bucket)
        world = RecordsWorld(app, store, clock)
        context = world.service.context
        object.__setattr__(context, "clock", clock)
        object.__setattr__(context, "sleep", lambda seconds: clock.forward(seconds=seconds))
        context.presigner._clock = clock
        yield world
        db.session.remove()
        db.engine.dispose()


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """The SQL statements of the block, savepoints included."""
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, ___: Any, ____: Mapping[str, Any], _____: bool) -> None:
        statements.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", note)

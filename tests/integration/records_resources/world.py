# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The repository in this process, over PostgreSQL and a fake store, with a clock that can be moved."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from flask import Flask, has_app_context
from flask.testing import FlaskClient
from invenio_celery import InvenioCelery
from invenio_db import db
from invenio_files_rest.models import Bucket, FileInstance, ObjectVersion
from invenio_records.models import RecordMetadata
from invenio_records_files.models import RecordsBuckets

from oarepo_s3.testing import Blank, FakeStore
from oarepo_s3.testing.interference import OPERATIONS
from oarepo_s3.uploads import quota
from oarepo_s3.uploads.models import Upload
from tests.integration.records_app import Clock
from tests.rdm import model, services
from tests.rdm.application import USER_HEADER, create_app, create_tables

MIB = 2**20
SIZE = 12 * MIB
PART = 5 * MIB


@dataclass
class Requests:
    """A client that asks in the name of a user."""

    http: FlaskClient
    user: str | None

    def __call__(self, method: str, path: str, **arguments: Any) -> Any:
        headers = dict(arguments.pop("headers", {}))
        if self.user is not None:
            headers[USER_HEADER] = self.user
        if has_app_context():
            db.session.commit()  # what the test has read must not hold up the application
        with self.http.application.app_context():  # else it would share the test's session and user
            return self.http.open(path, method=method, headers=headers, **arguments)


def entry(key: str = "data.zip", size: int = SIZE, part_size: int | None = PART, **fields: Any) -> dict[str, Any]:
    """A new file in parts, as a client asks for it."""
    parts = fields.pop("parts", None if part_size is None else -(-size // part_size))
    transfer = {"type": "M", "parts": parts, "part_size": part_size}
    given = {name: value for name, value in transfer.items() if value is not None}
    return {"key": key, "size": size, "transfer": given, **fields}


@dataclass
class RepositoryWorld:
    """What a test works with."""

    app: Flask
    store: FakeStore
    clock: Clock
    alone: bool = True
    """Whether there is one request at a time."""

    # drafts -----------------------------------------------------------------------------------------------------------

    def client(self, user: str | None = services.OWNER) -> Requests:
        return Requests(self.app.test_client(), user)

    def add_draft(self) -> str:
        answer = self.client()("POST", "/records", json={"metadata": {"title": "A draft"}})
        pid: str = answer.json["id"]
        return pid

    def draft(self, pid: str) -> Any:
        db.session.commit()
        return model.RepositoryDraft.pid.resolve(pid, registered_only=False)

    def bucket(self, pid: str) -> Bucket:
        db.session.commit()
        return db.session.get(Bucket, self.draft(pid).bucket_id, populate_existing=True)

    def set_bucket(self, pid: str, **facts: Any) -> None:
        bucket = self.bucket(pid)
        for name, value in facts.items():
            setattr(bucket, name, value)
        db.session.commit()

    def rows(self) -> list[Any]:
        """All file records of drafts, deleted ones too."""
        db.session.commit()
        return list(db.session.execute(sa.select(model.DraftFileMetadata.__table__)).all())

    def versions(self) -> list[Any]:
        db.session.commit()
        table = ObjectVersion.__table__
        return list(db.session.execute(sa.select(table).order_by(table.c.created)).all())

    def instances(self) -> list[Any]:
        db.session.commit()
        return list(db.session.execute(sa.select(FileInstance.__table__)).all())

    def sizes_hold(self) -> bool:
        """Whether each bucket has the size that its files make."""
        db.session.commit()
        return not [one for one in quota.check_sizes() if one.difference]

    # requests ---------------------------------------------------------------------------------------------------------

    def init(self, pid: str, *entries: dict[str, Any], user: str | None = services.OWNER) -> Any:
        return self.client(user)("POST", files_path(pid), json=list(entries) or [entry()])

    def act(self, method: str, pid: str, action: str = "", key: str = "data.zip", **arguments: Any) -> Any:
        user = arguments.pop("user", services.OWNER)
        return self.client(user)(method, files_path(pid, key) + action, **arguments)

    # uploads ----------------------------------------------------------------------------------------------------------

    @property
    def service(self) -> Any:
        return self.app.extensions["oarepo-s3"].uploads

    def upload(self, pid: str, key: str = "data.zip") -> Upload:
        upload: Upload = self.service.find(self.bucket(pid).id, key)
        return upload

    def current(self, upload: Upload) -> Upload:
        current: Upload = self.service.find(upload.bucket_id, upload.key, upload.public_id)
        return current

    def put_parts(self, upload: Upload, *numbers: int) -> None:
        for number in numbers or range(1, upload.parts_count + 1):
            self.put_one(upload, number)

    def put_one(self, upload: Upload, number: int) -> str:
        """Put one part; its ETag."""
        blank = Blank(upload.plan.size_of(number), str(number))
        put = self.store.put_part(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "", number, blank)
        return put.etag

    def opened(self, pid: str, **fields: Any) -> Upload:
        """A pending upload, of which no part has arrived."""
        answer = self.init(pid, entry(**fields))
        assert answer.status_code == 201, answer.json
        return self.upload(pid, fields.get("key", "data.zip"))

    def sent(self, pid: str, **fields: Any) -> Upload:
        """A pending upload, of which all parts have arrived."""
        upload = self.opened(pid, **fields)
        self.put_parts(upload)
        return upload

    def nothing_left(self, pid: str, upload: Upload) -> None:
        """Check that store, files and quota are as if the upload never was."""
        assert self.store.uploads() == []
        assert upload.s3_key not in [key for _, key in self.store.objects()]
        assert upload.version_id not in [row.version_id for row in self.versions()]
        assert upload.file_id not in [row.id for row in self.instances()]
        assert upload.version_id not in [row.object_version_id for row in self.rows()]
        assert self.current(upload).state == "aborted"
        assert self.sizes_hold()


def files_path(pid: str, key: str | None = None) -> str:
    """Path of a draft's files, or of one of them, as a client has to write it."""
    base = f"/records/{pid}/draft/files"
    return base if key is None else f"{base}/{quote(key)}"


def entry_of(answer: Any, key: str = "data.zip") -> dict[str, Any]:
    """What an answer says of a file."""
    found: dict[str, Any] = next(one for one in answer.json["entries"] if one["key"] == key)
    return found


def file_id_of(answer: Any) -> uuid.UUID:
    return uuid.UUID(answer.json["file_id"])


def watch_connections(world: "RepositoryWorld") -> list[str]:
    """Fill the list with the calls of the store during which somebody held a connection to the database."""
    held: list[str] = []
    pool: Any = db.engine.pool  # a sweep asks in threads that know no application

    def check(operation: str) -> None:
        if pool.checkedout() and world.alone:
            held.append(operation)

    for operation in OPERATIONS:
        world.store.on(operation, partial(check, operation), times=10**9)
    return held


@contextmanager
def repository_world(database_url: str, **settings: Any) -> Iterator[RepositoryWorld]:
    """The repository inside its context."""
    clock = Clock()
    store = FakeStore(clock=clock)
    configured = {
        "S3_CLIENT": lambda **_: store,
        "S3_MULTIPART_BUSY_WAIT": 1,
        "BROKER_URL": "memory://",
        "CELERY_BROKER_URL": "memory://",
        "CELERY_RESULT_BACKEND": "disabled",
        **settings,
    }
    app = create_app(database_url, **configured)
    InvenioCelery(app)
    with app.app_context():
        create_tables("files")
        for entity in (RecordMetadata, RecordsBuckets):  # where uploads that no face has opened may belong
            entity.__table__.create(db.engine)
        world = RepositoryWorld(app, store, clock)
        context = world.service.context
        object.__setattr__(context, "clock", clock)
        object.__setattr__(context, "sleep", lambda seconds: clock.forward(seconds=seconds))
        context.presigner._clock = clock
        held = watch_connections(world)
        yield world
        assert held == []
        db.session.remove()
        db.engine.dispose()

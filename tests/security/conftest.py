# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Records of ``owner``, readable for ``reader``, over the fake store or a real one; ``admin`` may do everything."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from invenio_db import db
from invenio_files_rest.models import FileInstance, Location, MultipartObject

from tests.integration.records_app import ENDPOINTS, Clock, Permission, RecordsWorld, records_world
from tests.servers.s3 import S3Server

MakeWorld = Callable[..., RecordsWorld]
CAPABILITY = {"S3_MULTIPART_UPLOAD_ID_AS_CAPABILITY": True}


def may_read(record: Any) -> Permission:
    return Permission("admin", record["owner"], *record.get("readers", ()))


def may_write(record: Any) -> Permission:
    return Permission("admin", record["owner"])


WITH_ADMIN = {
    "recid": ENDPOINTS["recid"] | {"read_permission_factory_imp": may_read, "update_permission_factory_imp": may_write}
}


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Makes worlds with settings of their own, each with the records 1 and 2."""
    with ExitStack() as stack:

        def make(**settings: Any) -> RecordsWorld:
            url = f"sqlite:///{tmp_path / uuid.uuid4().hex}.db"
            options = {"RECORDS_REST_ENDPOINTS": WITH_ADMIN} | settings
            world = stack.enter_context(records_world(url, Clock(), **options))
            MultipartObject.__table__.create(db.engine)
            for pid in "12":
                world.add_record(pid)
            return world

        yield make


@pytest.fixture
def world(make_world: MakeWorld) -> RecordsWorld:
    """A world with the default settings."""
    return make_world()


@pytest.fixture(params=["ceph", "rclone", "swift"])
def server(request: pytest.FixtureRequest) -> S3Server:
    """Each store that checks signatures."""
    server: S3Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def real_world(make_world: MakeWorld, server: S3Server) -> RecordsWorld:
    """A world over a real store, whose bucket is there."""
    world = make_world(**settings_of(server))
    db.session.query(Location).update({"uri": f"s3://{server.create_bucket()}"})
    db.session.commit()
    return world


def settings_of(server: S3Server) -> dict[str, Any]:
    """Settings of an application over a server."""
    return {
        "S3_CLIENT": "oarepo_s3.store.client.S3Client",
        "S3_ENDPOINT_URL": server.endpoint,
        "S3_ACCESS_KEY_ID": server.access_key,
        "S3_SECRET_ACCESS_KEY": server.secret_key,
        "S3_REGION_NAME": server.region,
    }


@pytest.fixture
def plain_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that go through the application end in a place that takes anything: the fake store has no such face."""

    def set_contents(file: FileInstance, stream: Any, **_: Any) -> None:
        file.set_uri(f"s3://files/plain/{uuid.uuid4()}", len(stream.read()), "md5:0")

    monkeypatch.setattr(FileInstance, "set_contents", set_contents)


def database_now() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    db.session.commit()
    names = sa.inspect(db.engine).get_table_names()
    return {name: sorted(map(repr, db.session.execute(sa.text(f"SELECT * FROM {name}")))) for name in sorted(names)}


@contextmanager
def no_effect(world: RecordsWorld) -> Iterator[None]:
    """Check that nothing is written and the store is not asked."""
    written: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.split(None, 1)[0] in ("INSERT", "UPDATE", "DELETE"):
            written.append(statement)

    database, store, calls = database_now(), (world.store.uploads(), world.store.objects()), len(world.store.calls)
    sa.event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", note)
    assert written == []
    assert world.store.calls[calls:] == []
    assert database_now() == database
    assert (world.store.uploads(), world.store.objects()) == store

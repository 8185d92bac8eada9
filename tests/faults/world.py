# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What a test of this tier works with: the stack behind fault proxies, and its database and store seen directly."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from flask import Flask
from invenio_db import db

from tests.integration.records_app import Clock, RecordsWorld, create_tables, make_records_app
from tests.stack import stack as stack_module
from tests.stack.client import Answer, Client
from tests.stack.servers import Servers
from tests.stack.stack import RECONCILE, SWEEP, Stack

from .database_proxy import DatabaseProxy
from .proxy import FaultProxy

PART = 1000
SIZE = 2 * PART + 500
"""Each upload has three parts: enough for one to be missing in the middle."""

TRIES = 5
DAY = 24 * 3600.0
STACK_NAME = "stack"
"""What PostgreSQL knows the connections of the stack by, those of this process having no name."""

POOL = {"pool_pre_ping": True}
"""What an operator sets so that a connection that PostgreSQL has dropped is replaced instead of used."""


def content_of(seed: str) -> bytes:
    """The bytes of a file; another seed gives others."""
    line = f"{seed} ".encode()
    return (line * (SIZE // len(line) + 1))[:SIZE]


def patiently(call: Callable[[], Answer]) -> Answer:
    """Ask until it is done, a few times: where no fault is put in, the store may be slow all the same."""
    for _ in range(TRIES):
        answer = call()
        if answer.ok:
            return answer
    raise AssertionError(f"what has to be done before the test cannot be done: {answer}")


@dataclass
class World:
    """The stack, and what the tests do with it.

    Attributes:
        store_proxy: stands between everybody and the store.
        database_proxy: stands between the stack and PostgreSQL.
        app: an application in this process, without proxies, inside its context.
        s3: a client of boto3, without a proxy.
        engine: the database, without a proxy.
    """

    servers: Servers
    s3_bucket: str
    stack: Stack
    store_proxy: FaultProxy
    database_proxy: DatabaseProxy
    app: Flask
    s3: Any
    engine: sa.Engine
    pids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @cached_property
    def owner(self) -> Client:
        """Who may write the records' files."""
        return self.stack.client("owner")

    @cached_property
    def reader(self) -> Client:
        """Who may read them."""
        return self.stack.client("reader")

    def add_record(self) -> str:
        """Make a record with a bucket of its own, and return its number."""
        pid = str(next(self.pids))
        RecordsWorld(self.app, None, Clock()).add_record(pid, title=pid)  # type: ignore[arg-type]
        return pid

    def rows(self, query: str, **values: Any) -> list[Any]:
        """Ask the database, as it is now."""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(query), values))

    def bucket_of(self, pid: str) -> uuid.UUID:
        """The bucket of a record, deleted or not."""
        query = (
            "SELECT bucket_id FROM records_buckets b JOIN pidstore_pid p ON p.object_uuid = b.record_id"
            " WHERE p.pid_value = :pid"
        )
        return uuid.UUID(str(self.rows(query, pid=pid)[0].bucket_id))

    # what people do ---------------------------------------------------------------------------------------------------

    def upload(self, pid: str, key: str, content: bytes) -> None:
        """Bring a file to a record, all the way."""
        self.owner.put_parts(self.open(pid, key, content), content)
        patiently(lambda: self.owner.act("complete", pid, key))

    def open(self, pid: str, key: str, content: bytes) -> dict[str, Any]:
        """Open an upload, and return its session."""
        answer = patiently(lambda: self.owner.open(pid, key, len(content), PART))
        session: dict[str, Any] = answer.body["multipart_upload"]
        return session

    def beat(self) -> None:
        """What the operator's schedule does: reconcile and sweep."""
        self.stack.run(RECONCILE)
        self.stack.run(SWEEP)

    def settle(self) -> None:
        """Let time pass and the schedule run until every upload must have ended and been looked at once more.

        What is still on its way to the store arrives before: that much time does pass.
        """
        self.store_proxy.wait_idle()
        for seconds in (1000.0, *[2 * DAY] * 6):
            self.stack.forward(seconds)
            self.beat()
            if not self.rows("SELECT 1 FROM oarepo_s3_uploads WHERE due_at IS NOT NULL LIMIT 1"):
                return
        raise AssertionError("the schedule is never done")


@contextmanager
def world(
    servers: Servers, *, threads: int = 4, nodes: int = 2, proxied: bool = True, **settings: Any
) -> Iterator[World]:
    """Start the stack over the servers, with a fresh database and the store's bucket.

    Args:
        threads: requests that each of the two web workers serves at once.
        nodes: Celery workers.
        proxied: whether the stack goes to the store and the database by way of the proxies.
        settings: of the application, on top of ours.
    """
    with ExitStack() as stack:
        store_proxy = stack.enter_context(FaultProxy(servers.ceph.port))
        database_proxy = stack.enter_context(DatabaseProxy(servers.postgres.port))
        direct_url = servers.postgres.create_database() + "?sslmode=disable&gssencmode=disable"
        s3 = servers.ceph.client()
        s3_bucket = servers.ceph.create_bucket()
        database_url, endpoint = direct_url, servers.ceph.endpoint
        if proxied:
            database_url = direct_url.replace(f":{servers.postgres.port}/", f":{database_proxy.port}/")
            endpoint = store_proxy.endpoint
        database_url += f"&application_name={STACK_NAME}"
        configuration = _configuration(servers, endpoint) | settings
        app = make_records_app(direct_url, **_configuration(servers, servers.ceph.endpoint))
        stack.enter_context(app.app_context())
        stack.callback(db.engine.dispose)
        create_tables(s3_bucket)
        running = stack.enter_context(
            stack_module.start(
                {"SQLALCHEMY_DATABASE_URI": database_url, **configuration},
                broker_url=servers.broker.endpoint,
                threads=threads,
                nodes=nodes,
            )
        )
        yield World(servers, s3_bucket, running, store_proxy, database_proxy, app, s3, db.engine)
        db.session.remove()


def _configuration(servers: Servers, endpoint: str) -> dict[str, Any]:
    return {
        "TESTING": False,
        "SQLALCHEMY_ENGINE_OPTIONS": POOL,
        "S3_ENDPOINT_URL": endpoint,
        "S3_ACCESS_KEY_ID": servers.ceph.access_key,
        "S3_SECRET_ACCESS_KEY": servers.ceph.secret_key,
        "S3_MULTIPART_MIN_PART_SIZE": 1,
        "S3_MULTIPART_PART_SIZE": PART,
    }

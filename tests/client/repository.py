# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""A repository in real processes: gunicorn and PostgreSQL before an S3 server, whose calls a proxy can spoil."""

import itertools
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask
from invenio_db import db

from tests.faults.proxy import FaultProxy
from tests.integration.records_app import Clock, RecordsWorld, create_tables, make_records_app
from tests.servers.folder import PROJECT, server_folder
from tests.servers.postgres import PostgresServer
from tests.servers.process import Daemon, accepts_connections, free_port, running
from tests.servers.s3 import S3Server
from tests.stack.application import CLOCK_VARIABLE, SETTINGS_VARIABLE, TASK_LOG_VARIABLE

TOKEN = "token-of-owner"
"""Whose bearer may write."""

READER_TOKEN = "token-of-reader"
MIB = 2**20
PART = 5 * MIB
ONE_PUT = 2 * MIB
"""Bytes up to which a file goes by one PUT."""

START_SECONDS = 60.0


@dataclass
class Repository:
    """The running processes.

    Attributes:
        url: where the application is.
        store: the S3 server behind it.
        proxy: stands between everybody and the store.
        folder: logs of the processes.
    """

    url: str
    store: S3Server
    proxy: FaultProxy
    s3_bucket: str
    app: Flask
    engine: sa.Engine
    web: Daemon
    folder: Path
    _pids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def add_record(self) -> str:
        """Make a record with files, and return its address."""
        pid = str(next(self._pids))
        with self.app.app_context():
            RecordsWorld(self.app, None, Clock()).add_record(pid, title=pid)  # type: ignore[arg-type]
        return f"{self.url}/draft/records/{pid}"

    def s3(self) -> Any:
        """A client of boto3, without the proxy."""
        return self.store.client()

    def rows(self, query: str, **values: Any) -> list[Any]:
        """Ask the database, as it is now."""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(query), values))

    def states(self, key: str) -> list[str]:
        """States of the uploads of files with this key, the oldest first."""
        rows = self.rows("SELECT state FROM oarepo_s3_uploads WHERE key = :key ORDER BY created", key=key)
        return [row.state.lower() for row in rows]


@contextmanager
def start(postgres: PostgresServer, store: S3Server, *, measured: bool = True, **settings: Any) -> Iterator[Repository]:
    """Start a repository over the store, with a fresh database and bucket.

    Args:
        postgres: the database server.
        store: the S3 server.
        measured: whether coverage measures gunicorn if it measures us; it takes half as long again.
        settings: of the application, on top of ours.

    Raises:
        ServerError: something did not come up.
    """
    with server_folder("repository") as folder, ExitStack() as stack:
        proxy = stack.enter_context(FaultProxy(store.port))
        url = postgres.create_database() + "?sslmode=disable&gssencmode=disable"
        s3_bucket = store.create_bucket()
        app = make_records_app(url, **_settings(store, store.endpoint))
        with app.app_context():  # not for longer: there may be several repositories
            create_tables(s3_bucket)
            engine = db.engine
        stack.callback(engine.dispose)
        port = free_port()
        configuration = {"SQLALCHEMY_DATABASE_URI": url, **_settings(store, proxy.endpoint), **settings}
        web = _start_web(folder, port, configuration, measured=measured)
        stack.enter_context(running(web))
        web.wait_ready(lambda: accepts_connections(port), seconds=START_SECONDS)
        yield Repository(f"http://127.0.0.1:{port}", store, proxy, s3_bucket, app, engine, web, folder)


def _settings(store: S3Server, endpoint: str) -> dict[str, Any]:
    return {
        "TESTING": False,
        "SQLALCHEMY_ENGINE_OPTIONS": {"pool_pre_ping": True},
        "S3_ENDPOINT_URL": endpoint,
        "S3_ACCESS_KEY_ID": store.access_key,
        "S3_SECRET_ACCESS_KEY": store.secret_key,
        "S3_REGION_NAME": store.region,
        "S3_MULTIPART_PART_SIZE": PART,
        "S3_MULTIPART_ONE_PUT_LIMIT": ONE_PUT,
    }


def _start_web(folder: Path, port: int, configuration: Mapping[str, Any], *, measured: bool) -> Daemon:
    clock, task_log = folder / "clock", folder / "tasks"
    clock.write_text("0", encoding="utf-8")
    task_log.touch()
    env = {
        "PYTHONPATH": str(PROJECT),
        SETTINGS_VARIABLE: json.dumps(configuration),
        CLOCK_VARIABLE: str(clock),
        TASK_LOG_VARIABLE: str(task_log),
    }
    argv = [sys.executable, "-m", "gunicorn", "--preload", "--no-control-socket", "--bind", f"127.0.0.1:{port}"]
    argv += ["--workers", "2", "--worker-class", "gthread", "--threads", "4", "--keep-alive", "30"]
    argv += ["--timeout", "120", "--graceful-timeout", "3", "tests.client.application:create_application()"]
    return Daemon("gunicorn", argv, folder / "web.log", env=env, measured=measured)

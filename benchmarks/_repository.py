# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A repository on PostgreSQL and Ceph RGW in which a request can be measured."""

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import urllib3
from flask import Flask
from invenio_db import db

from oarepo_s3.store.client import S3Client
from tests.integration.records_app import (
    Clock,
    RecordsWorld,
    Requests,
    counted_statements,
    create_tables,
    make_records_app,
)
from tests.servers import ceph, postgres

PARTS = (1, 100, 10_000)
LANES = 4


@dataclass
class Repository:
    """The application inside its context, and what was asked of the store."""

    app: Flask
    world: RecordsWorld
    calls: list[str] = field(default_factory=list)

    @property
    def owner(self) -> Requests:
        """A client that may write the records."""
        return self.world.client("owner")

    def put_parts(self, upload: dict[str, Any], size: int) -> None:
        """Put parts of ``size`` bytes to all the URLs of an upload's session."""
        pool = urllib3.PoolManager(maxsize=LANES, retries=urllib3.Retry(3))

        def put(url: str) -> int:
            return pool.request("PUT", url, body=b"x" * size).status

        with ThreadPoolExecutor(LANES) as lanes:
            statuses = set(lanes.map(put, upload["parts_url"]))
        assert statuses == {200}, statuses

    def measure(self, act: Callable[[], Any]) -> dict[str, float]:
        """One request: seconds of wall and CPU, SQL statements, calls of the store, bytes of the answer's body."""
        db.session.remove()
        self.calls.clear()
        with counted_statements() as statements:
            cpu, wall = time.process_time(), time.perf_counter()
            answer = act()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert answer.status_code < 300, answer.get_data(as_text=True)
        return {
            "wall_ms": wall * 1000,
            "cpu_ms": cpu * 1000,
            "sql": len(statements),
            "store_calls": len(self.calls),
            "body_bytes": len(answer.get_data()),
        }


def median_of(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}


@contextmanager
def repository() -> Iterator[Repository]:
    """Start PostgreSQL and Ceph RGW, and an application on them with one record, ``1``."""
    with ExitStack() as stack:
        store = stack.enter_context(ceph.start(min_part_size=1))
        database = stack.enter_context(postgres.start())
        store.client().create_bucket(Bucket="files")
        app = make_records_app(
            database.create_database(),
            S3_ENDPOINT_URL=store.endpoint,
            S3_ACCESS_KEY_ID=store.access_key,
            S3_SECRET_ACCESS_KEY=store.secret_key,
            S3_REGION_NAME=store.region,
            S3_MULTIPART_MIN_PART_SIZE=1,
            S3_CLIENT=lambda **settings: counting(S3Client(**settings), calls),
        )
        calls: list[str] = []
        with app.app_context():
            create_tables("files")
            world = RecordsWorld(app, None, Clock())  # type: ignore[arg-type]  # the store is a real one
            world.add_record("1")
            yield Repository(app, world, calls)
            db.session.remove()
            db.engine.dispose()


def counting(client: S3Client, calls: list[str]) -> S3Client:
    """Note each request that is sent to the store, repetitions included."""
    for sender in (client._client, client._complete_client):
        sender.meta.events.register("before-send.s3", lambda request, **_: calls.append(request.method))
    return client

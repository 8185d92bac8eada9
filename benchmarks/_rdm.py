# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A repository of drafts twice on one PostgreSQL and one Ceph RGW: with the stock transfer, and with ours."""

import gc
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import s3fs
import urllib3
from celery import Celery
from flask import Flask
from invenio_db import db

from oarepo_s3.store.client import S3Client
from tests.integration.records_app import counted_statements
from tests.rdm.application import USER_HEADER, Choice, create_app, create_tables
from tests.servers import ceph, postgres
from tests.servers.ceph import CephServer

from ._repository import counting

LANES = 4
SIDES: tuple[Choice, ...] = ("stock", "ours")
Figures = dict[str, float]


@dataclass
class Side:
    """One of the two applications.

    Attributes:
        calls: method of each request that was sent to the store.
    """

    app: Flask
    calls: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, **arguments: Any) -> Any:
        """Send a request in the owner's name."""
        with self.app.app_context():
            return self.app.test_client().open(path, method=method, headers={USER_HEADER: "owner"}, **arguments)

    def add_draft(self) -> str:
        """Make a draft; where its files are."""
        pid = self.ask("POST", "/records", json={"metadata": {"title": "of a benchmark"}}).json["id"]
        return f"/records/{pid}/draft/files"

    def init(self, files: str, key: str, parts: int, part_size: int = 1) -> Any:
        """Begin an upload of so many parts."""
        transfer = {"type": "M", "parts": parts, "part_size": part_size}
        return self.ask("POST", files, json=[{"key": key, "size": parts * part_size, "transfer": transfer}])

    def measure(self, act: Callable[[], Any]) -> tuple[Any, Figures]:
        """A request, and its cost: ms of wall and CPU, SQL statements, calls of the store, bytes of the answer."""
        gc.collect()
        with self.app.app_context(), counted_statements() as statements:
            self.calls.clear()
            cpu, wall = time.process_time(), time.perf_counter()
            answer = act()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert answer.status_code < 300, answer.get_data(as_text=True)[:1000]
        return answer, {
            "wall_ms": wall * 1000,
            "cpu_ms": cpu * 1000,
            "sql": len(statements),
            "store_calls": len(self.calls),
            "body_bytes": len(answer.get_data()),
        }


@contextmanager
def servers(s3_bucket: str = "files", **options: Any) -> Iterator[tuple[CephServer, str]]:
    """Ceph RGW with a bucket, that takes parts of any size unless the options say otherwise, and a database's URL."""
    with ExitStack() as stack:
        store = stack.enter_context(ceph.start(**{"min_part_size": 1, **options}))
        database = stack.enter_context(postgres.start())
        store.client().create_bucket(Bucket=s3_bucket)
        # Tasks are sent, as they are in a repository, and nobody does them.
        Celery("benchmark", broker="memory://").set_default()
        app = create_app(database.create_database(), transfers="stock")
        with app.app_context():
            create_tables(s3_bucket)
            url = db.engine.url.render_as_string(hide_password=False)
            db.engine.dispose()
        yield store, url


@contextmanager
def side(choice: Choice, store: CephServer, database_url: str, **settings: Any) -> Iterator[Side]:
    """An application on these servers."""
    calls: list[str] = []
    app = create_app(
        database_url,
        transfers=choice,
        **{
            "S3_ENDPOINT_URL": store.endpoint,
            "S3_ACCESS_KEY_ID": store.access_key,
            "S3_SECRET_ACCESS_KEY": store.secret_key,
            "S3_REGION_NAME": store.region,
            "S3_MULTIPART_MIN_PART_SIZE": 1,
            "S3_CLIENT": lambda **arguments: counting(S3Client(**arguments), calls),
            "SQLALCHEMY_ENGINE_OPTIONS": {"pool_size": 10},
            **settings,
        },
    )
    with app.app_context():
        if choice == "stock":
            _count_stock(app, calls)
        yield Side(app, calls)
        db.session.remove()
        db.engine.dispose()


def _count_stock(app: Flask, calls: list[str]) -> None:
    """Note each request of the stock storage, whose file systems are kept by their arguments for the whole process."""
    info = app.extensions["invenio-s3"].init_s3fs_info
    files = s3fs.S3FileSystem(default_block_size=app.config["S3_DEFAULT_BLOCK_SIZE"], **info)
    files.connect()
    files.s3.meta.events.register("before-send.s3", lambda request, **_: calls.append(request.method))


def put_parts(urls: list[str], content: bytes = b"x", **options: Any) -> None:
    """Put the same content to each URL."""
    pool = urllib3.PoolManager(maxsize=LANES, retries=urllib3.Retry(3))
    with ThreadPoolExecutor(LANES) as lanes:
        statuses = set(lanes.map(lambda url: pool.request("PUT", url, body=content, **options).status, urls))
    assert statuses == {200}, statuses


def urls_of(answer: Any, key: str) -> list[str]:
    """The part URLs of a file in the answer to its init."""
    entry = next(one for one in answer.json["entries"] if one["key"] == key)
    return [part["url"] for part in entry["links"]["parts"]]


def new_key() -> str:
    """A key that no other file has."""
    return f"{uuid.uuid4().hex}.bin"

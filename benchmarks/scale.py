# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Opening, completing and sweeping with 1,000,000 open uploads in PostgreSQL, against an empty table.

Each figure is the wall time with the rows over that without, medians of the rounds. The store is one in memory, so that
the database alone makes the difference.
"""

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from invenio_db import db

from oarepo_s3.testing import Blank, FakeStore
from oarepo_s3.uploads.models import Upload, UploadSession
from oarepo_s3.uploads.opening import OpenRequest
from oarepo_s3.uploads.service import UploadService
from tests.integration.records_app import create_tables, make_records_app
from tests.servers import postgres

from ._uploads import Rows

MILLION = 1_000_000
ROUNDS = 40
BATCHES = 9
SWEPT = 100
MIB = 2**20


def run() -> dict[str, Any]:
    """Measure."""
    with postgres.start() as database:
        store = FakeStore()
        app = make_records_app(database.create_database(), S3_CLIENT=lambda **_: store)
        with app.app_context():
            create_tables("files")
            rows, service = Rows(), app.extensions["oarepo-s3"].uploads
            measure(rows, store, service)  # imports and caches are no part of it
            empty = measure(rows, store, service)
            insert_million(rows)
            full = measure(rows, store, service)
            db.session.remove()
            db.engine.dispose()
    ratios = {f"{name}_ratio": full[name] / empty[name] for name in full}
    return ratios | {"rows": MILLION, "empty_ms": empty, "full_ms": full}


def measure(rows: Rows, store: FakeStore, service: UploadService) -> dict[str, float]:
    """Milliseconds of an opening, a completion, and a sweep of a batch."""
    opened: list[Upload] = []
    stamp = time.monotonic_ns()

    def open_one() -> None:
        request = OpenRequest(rows.bucket_ids[0], f"{stamp}-{len(opened)}", MIB)
        opened.append(service.open(request).upload)

    opening = [timed(open_one) for _ in range(ROUNDS)]
    for upload in opened:
        store.put_part(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "", 1, Blank(MIB))
    completing = [timed(lambda upload=upload: service.complete(upload)) for upload in opened]
    sweeping = [sweep_batch(rows, service) for _ in range(BATCHES)]
    return {name: statistics.median(times) * 1000 for name, times in
            (("open", opening), ("complete", completing), ("sweep_batch", sweeping))}  # fmt: skip


def sweep_batch(rows: Rows, service: UploadService) -> float:
    """Seconds of sweeping so many uploads."""
    expired = [(f"{time.monotonic_ns()}/{number}", "gone") for number in range(SWEPT)]
    rows.insert(expired, datetime.now(UTC) - timedelta(minutes=1))
    swept: list[int] = []
    seconds = timed(lambda: swept.append(service.sweep().expired))
    assert swept == [SWEPT], swept
    return seconds


def timed(act: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def insert_million(rows: Rows) -> None:
    """A million copies of an open upload, each with an id, a key and an expiry of its own."""
    rows.insert([("pattern", "pattern")], datetime.now(UTC) + timedelta(days=1))
    table = UploadSession.__table__
    own = {
        "id": "gen_random_uuid()", "version_id": "gen_random_uuid()", "file_id": "gen_random_uuid()",
        "public_id": "md5('p' || n)", "slot": "md5('s' || n)", "active_slot": "md5('s' || n)",
        "key": "'key ' || n", "s3_key": "'key ' || n",
        "expires_at": "expires_at + n * interval '1 second'", "due_at": "expires_at + n * interval '1 second'",
    }  # fmt: skip
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    values = ", ".join(own.get(column.name, f'"{column.name}"') for column in table.columns)
    db.session.execute(
        sa.text(
            f"INSERT INTO {table.name} ({columns}) SELECT {values} FROM {table.name}, generate_series(1, {MILLION}) n "
            "WHERE s3_key = 'pattern'"
        )
    )
    db.session.commit()
    db.session.execute(sa.text(f"ANALYZE {table.name}"))
    db.session.commit()

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Sweeping 10,000 expired uploads with a part each, on PostgreSQL and Ceph RGW, against bare loops of aborts.

``ratio_store_limit``: our uploads a second over those of a bare concurrent loop of boto3 aborts at its best
concurrency, which neither looks whether the upload is gone nor has a database. ``ratio_serial_20ms``: our speed over
that of one abort after the other, both through a proxy that adds 20 ms to each call, in turn; the median of the rounds.
``ratio_two_workers``: two processes over one. ``rss_growth_mib``: by how much the peak of the resident memory exceeds
what it was before the sweep. ``left_over``: uploads at the store, pending files, rows that are not ended, bytes of the
quotas, afterwards.
"""

import multiprocessing
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from invenio_db import db

from tests.integration.records_app import create_tables, make_records_app
from tests.servers import ceph, postgres

from ._delay import delayed
from ._uploads import Seeder

UPLOADS = 10_000
BARE = 1_500
DISTANT = 1_000
ROUNDS = 3
BOTH = 4_000
LANES = (4, 8, 16, 32)
DELAY = 0.02


def run() -> dict[str, Any]:
    """Measure."""
    with ExitStack() as stack:
        store = stack.enter_context(ceph.start(min_part_size=1))
        store.client().create_bucket(Bucket="files")
        database = stack.enter_context(postgres.start())
        settings = {
            "database_url": database.create_database(),
            "S3_ENDPOINT_URL": store.endpoint,
            "S3_ACCESS_KEY_ID": store.access_key,
            "S3_SECRET_ACCESS_KEY": store.secret_key,
            "S3_REGION_NAME": store.region,
        }
        with make_records_app(**settings).app_context():
            create_tables("files")
            seeder = Seeder(store)
            bare = best_bare_loop(seeder)
            figures = swept(seeder, UPLOADS, settings)
            one = swept(seeder, BOTH, settings)["uploads_per_s"]
            two = swept(seeder, BOTH, settings, workers=2)["uploads_per_s"]
            distant = stack.enter_context(delayed(store.endpoint, DELAY))
            over_serial = [ratio_to_serial(seeder, distant, settings) for _ in range(ROUNDS)]
            result = {
                **figures,
                "ratio_store_limit": figures["uploads_per_s"] / bare,
                "ratio_serial_20ms": statistics.median(over_serial),
                "ratio_two_workers": two / one,
                "bare_uploads_per_s": bare,
                "left_over": seeder.left_over(),
            }
            db.session.remove()
            db.engine.dispose()
        return result


def best_bare_loop(seeder: Seeder) -> float:
    """Aborts a second of the bare loop at its best concurrency."""
    return max(bare_loop(seeder, lanes, BARE, seeder.server.endpoint) for lanes in LANES)


def bare_loop(seeder: Seeder, lanes: int, count: int, endpoint: str) -> float:
    """Aborts a second of a loop that does nothing else."""
    client = seeder.server.client(endpoint_url=endpoint)
    uploads = seeder.at_store(count)

    def abort(upload: tuple[str, str]) -> None:
        client.abort_multipart_upload(Bucket="files", Key=upload[0], UploadId=upload[1])

    with ThreadPoolExecutor(lanes) as pool:
        began = time.perf_counter()
        list(pool.map(abort, uploads))
        return count / (time.perf_counter() - began)


def ratio_to_serial(seeder: Seeder, endpoint: str, settings: dict[str, Any]) -> float:
    """Our speed over that of one abort after the other."""
    serial = bare_loop(seeder, 1, DISTANT, endpoint)
    return swept(seeder, DISTANT, settings | {"S3_ENDPOINT_URL": endpoint})["uploads_per_s"] / serial


def swept(seeder: Seeder, count: int, settings: dict[str, Any], workers: int = 1) -> dict[str, float]:
    """Sweep so many uploads in processes of their own: uploads a second of the slowest, growth of the memory."""
    seeder.expired(count)
    spawning = multiprocessing.get_context("spawn")
    start, results = spawning.Barrier(workers + 1), spawning.Queue()
    processes = [spawning.Process(target=_worker, args=(settings, start, results)) for _ in range(workers)]
    for process in processes:
        process.start()
    start.wait(60)
    began = time.perf_counter()
    answers = [results.get(timeout=600) for _ in processes]
    seconds = time.perf_counter() - began
    for process in processes:
        process.join(60)
    assert sum(answer["expired"] for answer in answers) == count, answers
    return {"uploads_per_s": count / seconds, "rss_growth_mib": max(answer["rss_growth_mib"] for answer in answers)}


def _worker(settings: dict[str, Any], start: Any, results: Any) -> None:
    with make_records_app(**settings).app_context() as context:
        extension = context.app.extensions["oarepo-s3"]
        list(extension.store.list_uploads("files", "nothing"))  # imports, pools and connections are no part of a sweep
        db.session.execute(sa.select(1))
        db.session.commit()
        start.wait(60)
        before = _status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # begin a new peak
        report = extension.uploads.sweep()
        results.put({"expired": report.expired, "rss_growth_mib": (_status("VmHWM") - before) / 1024})


def _status(name: str) -> int:
    """KiB of a line of this process's status."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""``invenio oarepo-s3`` by hand."""

import json
from typing import Any

from invenio_db import db
from invenio_files_rest.models import Location, MultipartObject

from oarepo_s3.cli import known_s3_buckets, oarepo_s3
from oarepo_s3.uploads.states import State

from .conftest import MIB, World


def run(world: World, *arguments: str) -> tuple[int, Any]:
    result = world.app.test_cli_runner().invoke(oarepo_s3, arguments)
    return result.exit_code, json.loads(result.output)


def test_sweep_ends_what_has_expired(world: World) -> None:
    upload = world.open()
    world.clock.forward(days=1)
    assert run(world, "sweep") == (0, {"expired": 1, "aborted": 0, "rechecked": 0, "failed": 0})
    world.nothing_left(upload)


def test_dry_run_reports_orphans_both_ways_and_changes_nothing(world: World) -> None:
    upload, kept = world.open(), world.open("kept.zip")
    world.store.abort_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
    world.store.create_upload("files", "strange/data", content_type="a/b", stamp="")
    assert run(world, "reconcile", "--dry-run")[1]["missing"] == []  # too young to tell
    world.clock.forward(hours=1)
    code, report = run(world, "reconcile", "--dry-run")
    assert code == 0
    assert report["unknown"] == ["files/strange/data"]
    assert report["missing"] == [f"files/{upload.s3_key}"]
    assert {world.current(one).state for one in (upload, kept)} == {State.OPEN}
    assert len(world.store.uploads()) == 2
    assert run(world, "reconcile", "--dry-run", "--s3-bucket", "elsewhere")[1]["missing"] == []


def test_buckets_of_the_store_are_those_of_the_locations(world: World) -> None:
    db.session.add(Location(name="second", uri="s3://more/deep"))
    db.session.add(Location(name="disk", uri="/var/data"))
    db.session.commit()
    assert known_s3_buckets() == ["files", "more"]


def test_sizes_that_are_wrong_are_told_and_repaired(world: World) -> None:
    MultipartObject.__table__.create(db.engine, checkfirst=True)
    world.open()
    assert run(world, "check-sizes")[0] == 0
    world.bucket().size = 1
    db.session.commit()
    code, report = run(world, "check-sizes")
    assert (code, report["wrong"]) == (1, 1)
    assert run(world, "check-sizes", "--repair")[0] == 0
    assert world.bucket().size == 12 * MIB

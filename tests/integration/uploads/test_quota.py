# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The size of a bucket, recomputed from what is in it, against Invenio's running total."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from invenio_db import db
from invenio_files_rest.models import Bucket, FileInstance, MultipartObject, ObjectVersion

from oarepo_s3 import tasks
from oarepo_s3.errors import StoreRetryLater
from oarepo_s3.uploads import quota
from oarepo_s3.uploads.quota import BucketSize

from .conftest import MIB, Clock, World

SIZE = 12 * MIB


@pytest.fixture
def clock() -> Clock:
    """The real time as it was at the start: what Invenio writes has to fit in between."""
    clock = Clock()
    clock.now = datetime.now(UTC)
    return clock


@pytest.fixture(autouse=True)
def later_versions(world: World) -> Iterator[None]:
    """Versions are dated by the clock of the test, each later than what was before."""
    MultipartObject.__table__.create(db.engine, checkfirst=True)

    def date(_: object, __: object, version: ObjectVersion) -> None:
        world.clock.forward(milliseconds=1)
        version.created = world.clock()

    sa.event.listen(ObjectVersion, "before_insert", date)
    yield
    sa.event.remove(ObjectVersion, "before_insert", date)


def check(world: World, recomputed: int) -> None:
    """The recorded size is the recomputed one, and that is as expected."""
    found = list(world.service.check_sizes(world.bucket_id))
    assert found == [BucketSize(world.bucket_id, recomputed, recomputed)]
    assert list(world.service.check_sizes()) == found


def complete(world: World, key: str = "data.zip", size: int = SIZE) -> None:
    world.clock.forward(milliseconds=1)
    upload = world.open(key, size)
    world.put(upload)
    world.clock.forward(milliseconds=1)
    world.service.complete(upload)


def delete(world: World, key: str = "data.zip") -> None:
    ObjectVersion.delete(world.bucket(), key)
    db.session.commit()


def test_an_empty_bucket(world: World):
    check(world, 0)


def test_a_pending_upload_counts_once_and_a_completed_one_too(world: World):
    upload = world.open()
    check(world, SIZE)
    world.put(upload)
    world.service.complete(upload)
    check(world, SIZE)


@pytest.mark.parametrize("how", ["abort", "expire"])
def test_an_ended_upload_does_not_count(world: World, how: str):
    upload = world.open()
    if how == "abort":
        world.service.abort(upload)
    else:
        world.clock.forward(days=2)
        world.service.sweep()
    check(world, 0)


def test_an_upload_that_the_store_refused_or_did_not_answer(world: World):
    for error in (StoreRetryLater("busy"),):
        world.store.fail("create_upload", error)
        with pytest.raises(StoreRetryLater):
            world.open()
    check(world, 0)


def test_every_version_counts_until_its_key_is_deleted(world: World):
    complete(world, size=10 * MIB)
    complete(world, size=11 * MIB)
    check(world, 21 * MIB)
    delete(world)
    check(world, 10 * MIB)
    complete(world, size=12 * MIB)
    check(world, 22 * MIB)
    delete(world)
    check(world, 10 * MIB)


def test_a_readable_version_that_was_deleted_while_another_was_pending_beside_it(world: World):
    complete(world, size=10 * MIB)
    pending = world.open(size=SIZE)
    delete(world)
    check(world, SIZE)
    world.put(pending)
    world.clock.forward(milliseconds=1)
    world.service.complete(pending)
    check(world, SIZE)
    complete(world, size=11 * MIB)
    check(world, SIZE + 11 * MIB)
    delete(world)
    check(world, SIZE)


def test_a_version_that_was_pending_beside_a_readable_one_and_deleted_later(world: World):
    complete(world, size=10 * MIB)
    complete(world, size=SIZE)
    delete(world)
    check(world, 10 * MIB)


def test_a_pending_version_that_was_deleted_as_head(world: World):
    upload = world.open()
    delete(world)
    check(world, 0)
    world.service.abort(upload)
    check(world, 0)


def test_a_pending_head_that_another_version_took_the_place_of_until_it_was_completed(world: World):
    upload = world.open()
    world.add_file(size=7)
    check(world, SIZE + 7)
    world.put(upload)
    world.clock.forward(milliseconds=1)
    world.service.complete(upload)
    delete(world)
    check(world, 7)


def test_a_version_that_was_removed_for_good(world: World):
    version_id = world.add_file(size=7)
    world.add_file(size=9)
    ObjectVersion.query.filter_by(version_id=version_id).one().remove()
    db.session.commit()
    check(world, 9)


def test_copies_of_a_pending_version_count_in_their_own_bucket(world: World):
    world.open()
    copy = world.bucket().snapshot()
    db.session.commit()
    assert {one.recomputed for one in world.service.check_sizes()} == {SIZE}
    assert [one.difference for one in world.service.check_sizes()] == [0, 0]
    assert next(world.service.check_sizes(copy.id)).recomputed == SIZE


def test_a_multipart_upload_of_invenio_itself_counts(world: World):
    bucket = world.bucket()
    file = FileInstance.create()
    file.size = 5
    db.session.add(MultipartObject(upload_id=uuid.uuid4(), bucket=bucket, key="k", chunk_size=5, size=5, file=file))
    bucket.size += 5
    db.session.commit()
    check(world, 5)


def test_a_version_removed_after_its_key_was_deleted_is_taken_off_twice_by_invenio(world: World):
    version_id = world.add_file(size=7)
    delete(world)
    ObjectVersion.query.filter_by(version_id=version_id).one().remove()
    db.session.commit()
    (found,) = world.service.check_sizes(world.bucket_id)
    assert (found.recorded, found.recomputed, found.difference) == (-7, 0, -7)


def test_all_buckets_are_gone_through_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quota, "PAGE", 2)
    buckets = {world.bucket_id} | {Bucket.create().id for _ in range(4)}
    db.session.commit()
    world.open()
    sizes = list(world.service.check_sizes())
    assert {size.bucket_id for size in sizes} == buckets
    assert sorted(size.recomputed for size in sizes) == [0, 0, 0, 0, SIZE]
    assert len(sizes) == 5


def test_the_task_reports_and_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch):
    world.open()
    other = Bucket.create()
    other.size = 3
    world.bucket().size += 1
    db.session.commit()
    wrong = {"bucket": str(world.bucket_id), "recorded": SIZE + 1, "recomputed": SIZE, "difference": 1}
    report = tasks.check_bucket_sizes(str(world.bucket_id))
    assert report == {"checked": 1, "wrong": 1, "repaired": 0, "differences": [wrong]}
    monkeypatch.setattr(quota, "REPORTED", 1)
    report = tasks.check_bucket_sizes()
    assert (report["checked"], report["wrong"], len(report["differences"])) == (2, 2, 1)
    assert world.bucket().size == SIZE + 1


def test_the_task_repairs_if_told_to(world: World):
    world.open()
    bucket = world.bucket()
    bucket.size += 1
    db.session.commit()
    report = tasks.check_bucket_sizes(repair=True)
    assert (report["wrong"], report["repaired"]) == (1, 1)
    assert bucket.size == SIZE
    assert tasks.check_bucket_sizes(repair=True)["wrong"] == 0
    check(world, SIZE)


def test_a_repair_looks_again_under_the_lock(world: World):
    """What has changed since the report counts: here the difference is gone."""
    assert world.service.repair_size(world.bucket_id) == BucketSize(world.bucket_id, 0, 0)
    assert world.service.repair_size(uuid.uuid4()) is None
    assert list(world.service.check_sizes(uuid.uuid4())) == []


def test_the_number_of_statements_does_not_depend_on_that_of_the_files(world: World):
    counts = []
    for number in range(3):
        world.add_file(f"{number}", 1)
        statements: list[str] = []

        def note(_: object, __: object, statement: str, *___: object, kept: list[str] = statements) -> None:
            kept.append(statement)

        sa.event.listen(db.engine, "before_cursor_execute", note)
        list(world.service.check_sizes())
        sa.event.remove(db.engine, "before_cursor_execute", note)
        counts.append(len(statements))
    assert len(set(counts)) == 1

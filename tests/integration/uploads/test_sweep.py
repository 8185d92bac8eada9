# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Sweeping and reconciling: many uploads, poisoned ones, several workers, deadlines."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread

import pytest
import sqlalchemy as sa
from invenio_db import db
from invenio_files_rest.models import ObjectVersion

from oarepo_s3.errors import (
    StoreError,
    StoreRefused,
    StoreRetryLater,
    StoreUnknownOutcome,
)
from oarepo_s3.tasks import cleanup_expired_multipart_uploads, reconcile_multipart_uploads
from oarepo_s3.uploads import sessions
from oarepo_s3.uploads.aborting import IN_FLIGHT, LEASE
from oarepo_s3.uploads.models import Upload, UploadEvent, UploadSession
from oarepo_s3.uploads.reconciling import REPORTED
from oarepo_s3.uploads.states import State
from oarepo_s3.uploads.sweeping import FIRST_RETRY, LONGEST_RETRY, put_off, retry_at

from .conftest import MIB, ON_POSTGRESQL, World

NOTHING = {"expired": 0, "aborted": 0, "rechecked": 0, "failed": 0}


def open_many(world: World, count: int) -> list[Upload]:
    return [world.open(f"{number:03}", size=10) for number in range(count)]


def poison(world: World, monkeypatch: pytest.MonkeyPatch, upload: Upload, error: Exception) -> None:
    """Make the store raise whenever this upload is aborted, until the patch is undone."""
    real = world.store.abort_upload

    def abort(s3_bucket: str, key: str, upload_id: str) -> None:
        if key == upload.s3_key:
            raise error
        real(s3_bucket, key, upload_id)

    monkeypatch.setattr(world.store, "abort_upload", abort)


# sweeping -------------------------------------------------------------------------------------------------------------


def test_expired_uploads_end_everywhere(world: World) -> None:
    old = world.add_file()
    uploads = [world.open(), world.open("other.zip")]
    world.put(uploads[0], 1)
    later = world.open("later.zip", expires=48 * 3600)
    world.clock.forward(hours=23)
    assert world.service.sweep().as_dict() == NOTHING | {"expired": 2}
    assert [found.upload_id for found in world.store.uploads()] == [later.s3_upload_id]
    assert world.bucket().size == 7 + 12 * MIB
    world.service.abort(later)
    for upload in uploads:
        world.nothing_left(upload)
        assert world.events(upload) == ["created", "opened", "expire", "aborted"]
        assert world.current(upload).ending == "expire"
    assert (head := world.head()) is not None
    assert head.version_id == old
    assert world.bucket().size == 7


def test_second_sweep_finds_nothing_and_the_late_look_comes_once(world: World) -> None:
    upload = world.open()
    assert world.service.sweep().as_dict() == NOTHING
    world.clock.forward(hours=23)
    assert cleanup_expired_multipart_uploads() == NOTHING | {"expired": 1}
    assert cleanup_expired_multipart_uploads() == NOTHING
    due_at = world.current(upload).due_at
    assert due_at == world.clock() + IN_FLIGHT
    world.clock.forward(minutes=15)
    assert world.service.sweep().as_dict() == NOTHING | {"rechecked": 1}
    assert world.current(upload).due_at is None
    world.clock.forward(days=100)
    assert world.service.sweep().as_dict() == NOTHING


def test_abort_is_looked_at_again_once_the_last_url_is_over(world: World) -> None:
    upload = world.open()
    world.service.abort(upload)
    assert world.current(upload).due_at == world.clock() + timedelta(hours=1) + IN_FLIGHT


def test_many_uploads_in_batches(world: World) -> None:
    object.__setattr__(world.service.context.rules, "sweep_batch", 100)
    uploads = open_many(world, 250)
    world.clock.forward(hours=23)
    assert world.service.sweep().as_dict() == NOTHING | {"expired": 250}
    assert world.store.uploads() == []
    assert world.bucket().size == 0
    assert db.session.query(ObjectVersion).count() == 0
    assert db.session.query(UploadSession).filter_by(state="aborted").count() == len(uploads)
    assert Counter(world.owner.told) == Counter(
        (what, upload.key) for upload in uploads for what in ("opened", "released")
    )


def test_what_is_cleared_is_ended_although_no_more_rows_can_be_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(world.service.context.rules, "sweep_batch", 1)
    open_many(world, 2)
    world.clock.forward(hours=23)
    take, taken = sessions.take_due, list[int]()

    def take_once(*arguments: object) -> object:
        taken.append(1)
        if len(taken) == 2:
            raise ZeroDivisionError("no database")
        return take(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sessions, "take_due", take_once)
    with pytest.raises(ZeroDivisionError):
        world.service.sweep()
    assert db.session.query(UploadSession).filter_by(state="aborted").count() == 1


@pytest.mark.parametrize("error", [StoreRefused("access denied"), ZeroDivisionError("secret")], ids=["store", "bug"])
def test_one_upload_that_the_store_refuses_does_not_stop_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    uploads = open_many(world, 5)
    bad = uploads[2]
    with monkeypatch.context() as patch:
        poison(world, patch, bad, error)
        world.clock.forward(hours=23)
        assert world.service.sweep().as_dict() == NOTHING | {"expired": 4, "failed": 1}
        waits = []
        for attempt in range(1, 5):
            row = world.current(bad)
            assert row.due_at is not None
            assert (row.state, row.attempts) == (State.ABORTING, attempt)
            assert row.error == ("access denied" if isinstance(error, StoreRefused) else "ZeroDivisionError")
            waits.append(row.due_at - world.clock())
            assert world.service.sweep().failed == 0
            world.clock.now = row.due_at
            assert world.service.sweep().failed == 1
    assert waits == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8)]
    world.clock.forward(days=1)
    assert world.service.sweep().expired == 1
    row = world.current(bad)
    assert (row.state, row.error) == (State.ABORTED, None)
    world.nothing_left(bad)


def test_one_upload_whose_owner_fails_does_not_stop_the_rest(world: World) -> None:
    uploads = open_many(world, 5)
    bad = uploads[2]
    world.owner.failing.add(bad.key)
    world.clock.forward(hours=23)
    assert world.service.sweep().as_dict() == NOTHING | {"expired": 4, "failed": 1}
    row = world.current(bad)
    assert (row.state, row.attempts, row.error) == (State.ABORTING, 1, "RuntimeError")
    assert world.bucket().size == 10
    assert world.file(bad) is not None
    world.owner.failing.clear()
    world.clock.forward(minutes=1)
    assert world.service.sweep().as_dict() == NOTHING | {"expired": 1}
    world.nothing_left(bad)
    assert world.bucket().size == 0


def test_wait_grows_up_to_a_day(world: World) -> None:
    now = world.clock()
    waits = [retry_at(now, attempts) - now for attempts in (1, 2, 3, 11, 12, 1000)]
    minute = FIRST_RETRY
    assert waits == [minute, 2 * minute, 4 * minute, 1024 * minute, LONGEST_RETRY, LONGEST_RETRY]


def test_put_off_leaves_a_row_that_has_moved_on_alone(world: World) -> None:
    upload = world.open()
    ended = world.service.abort(upload)
    put_off(world.service.context, upload, StoreRefused("late"))
    assert world.current(upload) == ended


@ON_POSTGRESQL
def test_two_sweeps_at_once_end_each_upload_once(world: World) -> None:
    count = 40
    open_many(world, count)
    object.__setattr__(world.service.context.rules, "sweep_batch", 5)
    world.clock.forward(hours=23)
    barrier, reports, errors = Barrier(2), [], []

    def sweep() -> None:
        try:
            with world.app.app_context():
                barrier.wait(30)
                reports.append(world.service.sweep().as_dict())
                db.session.remove()
        except Exception as error:
            errors.append(error)

    threads = [Thread(target=sweep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert len(reports) == 2
    assert sum(report["expired"] for report in reports) == count
    assert sum(report["failed"] for report in reports) == 0
    events = Counter(db.session.query(UploadEvent.upload_id, UploadEvent.event).all())
    assert set(events.values()) == {1}
    assert Counter(event for _, event in events) == dict.fromkeys(["created", "opened", "expire", "aborted"], count)
    assert world.bucket().size == 0
    assert world.store.uploads() == []


@ON_POSTGRESQL
def test_rows_that_another_worker_is_taking_are_skipped(world: World) -> None:
    open_many(world, 5)
    world.clock.forward(hours=23)
    now = world.clock()
    db.session.commit()
    with db.engine.connect() as other, other.begin():
        taken = sessions.take_due(other, [State.OPEN], now, 2, now + LEASE)
        assert len(taken) == 2
        assert world.service.sweep().as_dict() == NOTHING | {"expired": 3}
    assert world.service.sweep().as_dict() == NOTHING  # taken: left alone until the lease is over
    world.clock.forward(seconds=LEASE.total_seconds())
    assert world.service.sweep().as_dict() == NOTHING | {"expired": 2}


def test_deadline_stops_and_the_next_sweep_goes_on(world: World) -> None:
    open_many(world, 5)
    rules = world.service.context.rules
    object.__setattr__(rules, "sweep_batch", 2)
    world.clock.forward(hours=23)
    world.store.on("abort_upload", lambda: world.clock.forward(seconds=rules.sweep_deadline))
    assert world.service.sweep().expired == 2
    assert world.service.sweep().expired == 3


def test_pending_uploads_of_a_bucket_expire_with_it(world: World) -> None:
    upload, other = world.open(), world.open("other.zip")
    world.put(upload)
    done = world.service.complete(upload)
    assert world.service.expire_bucket(db.session, world.bucket_id) == 1
    db.session.rollback()
    assert world.current(other).expires_at > world.clock()
    assert world.service.expire_bucket(db.session, world.bucket_id) == 1
    db.session.commit()
    assert world.service.sweep().as_dict() == NOTHING | {"expired": 1}
    assert world.current(done).state is State.COMPLETED
    world.nothing_left(other)
    assert world.service.expire_bucket(db.session, world.bucket_id) == 0


def test_bucket_that_is_gone_for_good_holds_up_nothing(world: World) -> None:
    upload = world.open()
    world.service.expire_bucket(db.session, world.bucket_id)
    world.bucket().remove()
    db.session.commit()
    assert world.service.sweep().as_dict() == NOTHING | {"expired": 1}
    assert world.store.uploads() == []
    assert world.file(upload) is None


# reconciling ----------------------------------------------------------------------------------------------------------


def interrupt_opening(world: World, key: str = "data.zip") -> None:
    world.store.fail("create_upload", StoreUnknownOutcome("cut"), after=True)
    with pytest.raises(StoreUnknownOutcome):
        world.open(key)


def interrupt_completion(world: World, key: str = "data.zip", *, joined: bool = False) -> Upload:
    upload = world.open(key)
    world.put(upload)
    world.store.fail("complete_upload", StoreUnknownOutcome("cut"), after=joined)
    if joined:
        world.store.fail("head_object", StoreRetryLater("busy"))
    with pytest.raises(StoreError):
        world.service.complete(upload)
    return world.current(upload)


def test_dry_run_changes_nothing(world: World) -> None:
    interrupt_opening(world)
    interrupt_completion(world, "other.zip", joined=True)
    world.clock.forward(days=1)
    before = db.session.execute(sa.select(UploadSession.__table__)).all()
    calls = len(world.store.calls)
    report = reconcile_multipart_uploads(dry_run=True, s3_buckets=["files"])
    assert {name: count for name, count in report.items() if count} == {}
    assert db.session.execute(sa.select(UploadSession.__table__)).all() == before
    assert [call.name for call in world.store.calls[calls:]] == ["list_uploads"]


def test_everything_interrupted_is_settled_and_counted(world: World) -> None:
    interrupt_opening(world, "opening")
    interrupt_completion(world, "joined", joined=True)
    interrupt_completion(world, "open")
    gone = interrupt_completion(world, "gone")
    world.store.abort_upload(gone.s3_bucket, gone.s3_key, gone.s3_upload_id or "")
    world.clock.forward(seconds=901)
    report = reconcile_multipart_uploads()
    counts = {"completed": 1, "caught_up": 0, "reopened": 1, "lost": 1, "abandoned": 1, "failed": 0}
    assert report == counts | {"unknown": [], "missing": []}
    states = {upload.key: upload.state for upload in map(world.current, all_rows(world))}
    assert states == {
        "opening": State.ABORTED, "joined": State.COMPLETED, "open": State.OPEN, "gone": State.LOST,
    }  # fmt: skip
    assert reconcile_multipart_uploads()["reopened"] == 0


def all_rows(world: World) -> list[Upload]:
    db.session.commit()
    return [Upload.of(row) for row in db.session.execute(sa.select(UploadSession.__table__))]


def test_file_that_was_deleted_during_an_interrupted_completion(world: World) -> None:
    upload = interrupt_completion(world, joined=True)
    ObjectVersion.delete(world.bucket(), "data.zip")
    db.session.commit()
    world.clock.forward(seconds=901)
    assert world.service.reconcile().failed == 0
    world.nothing_left(upload)
    row = world.current(upload)
    assert (row.state, row.attempts, row.error) == (State.ABORTED, 0, None)
    assert row.due_at is not None
    assert row.due_at > world.clock() + IN_FLIGHT


def test_one_bad_upload_does_not_stop_the_others(world: World) -> None:
    for key in ("first", "second"):
        interrupt_opening(world, key)
    world.clock.forward(seconds=901)
    world.store.fail("list_uploads", StoreRetryLater("busy"))
    report = world.service.reconcile()
    assert (report.abandoned, report.failed) == (1, 1)
    (bad,) = [upload for upload in all_rows(world) if upload.error]
    assert (bad.state, bad.attempts, bad.error) == (State.ABORTING, 1, "busy")
    assert bad.due_at == world.clock() + FIRST_RETRY
    world.clock.forward(minutes=1)
    assert world.service.sweep().aborted == 1
    world.nothing_left(bad)


def test_reconcile_stops_at_the_deadline(world: World) -> None:
    for key in ("first", "second", "third"):
        interrupt_opening(world, key)
    rules = world.service.context.rules
    object.__setattr__(rules, "sweep_batch", 1)
    world.clock.forward(seconds=901)
    world.store.on("list_uploads", lambda: world.clock.forward(seconds=rules.sweep_deadline))
    assert world.service.reconcile().abandoned == 1
    assert world.service.reconcile().abandoned == 2


def test_unknown_uploads_are_only_reported(world: World) -> None:
    world.store.create_upload("files", "unknown/old", content_type="a/b", stamp="x")
    world.store.create_upload("elsewhere", "unknown/other", content_type="a/b", stamp="x")
    world.clock.forward(seconds=901)
    world.store.create_upload("files", "unknown/new", content_type="a/b", stamp="x")
    known = world.open(expires=48 * 3600)
    for dry_run in (True, False):
        report = reconcile_multipart_uploads(dry_run=dry_run, s3_buckets=["files"])
        assert report["unknown"] == ["files/unknown/old"]
    assert len(world.store.uploads()) == 4
    world.clock.forward(seconds=901)
    report = world.service.reconcile(s3_buckets=["files", "elsewhere"])
    assert report.unknown == ["files/unknown/new", "files/unknown/old", "elsewhere/unknown/other"]
    assert world.current(known).state is State.OPEN


def test_upload_without_a_date_counts_as_old(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.store.create_upload("files", "unknown", content_type="a/b", stamp="x")
    real = world.store.list_uploads
    monkeypatch.setattr(
        world.store, "list_uploads", lambda *args: (replace(found, initiated=None) for found in real(*args))
    )
    assert world.service.reconcile(s3_buckets=["files"]).unknown == ["files/unknown"]


def test_report_of_unknown_uploads_is_cut(world: World) -> None:
    for number in range(REPORTED + 10):
        world.store.create_upload("files", f"unknown/{number:05}", content_type="a/b", stamp="x")
    world.clock.forward(seconds=901)
    report = world.service.reconcile(s3_buckets=["files", "files"])
    assert len(report.unknown) == REPORTED == 1000
    assert len(set(report.unknown)) == REPORTED

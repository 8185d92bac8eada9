# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Lost answers, refusals and races, injected into the fake store: where a real one cannot be made to misbehave."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from invenio_db import db
from invenio_files_rest.models import ObjectVersion

from oarepo_s3.errors import (
    PartsMismatch,
    StoreError,
    StorePartsRefused,
    StoreRefused,
    StoreRetryLater,
    StoreUnknownOutcome,
    StoreUploadGone,
    UploadAborted,
    UploadBusy,
    UploadLost,
)
from oarepo_s3.uploads import sessions
from oarepo_s3.uploads.models import Upload
from oarepo_s3.uploads.opening import OpenRequest
from oarepo_s3.uploads.states import Event, State

from .conftest import MIB, World


def unfinished(world: World, key: str = "data.zip") -> Upload:
    """The row of an upload whose opening raised."""
    return world.service.find(world.bucket_id, key)


# opening --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [StoreRefused("no"), StoreRetryLater("busy")], ids=["refused", "busy"])
def test_refused_opening_leaves_nothing(world: World, error: StoreError) -> None:
    world.store.fail("create_upload", error)
    with pytest.raises(type(error)):
        world.open()
    upload = unfinished(world)
    assert upload.state is State.FAILED
    assert world.bucket().size == 0
    world.nothing_left(upload)
    assert world.owner.told == [("opened", "data.zip"), ("released", "data.zip")]
    assert world.open().state is State.OPEN


def test_lost_answer_to_opening_is_taken_up_by_the_next_call(world: World) -> None:
    world.store.fail("create_upload", StoreUnknownOutcome("cut"), after=True)
    with pytest.raises(StoreUnknownOutcome):
        world.open()
    upload = world.open()
    assert upload.may_have_strays
    assert len(world.store.uploads()) == 2
    world.service.abort(upload)
    world.nothing_left(upload)


def test_lost_answer_to_opening_is_swept_when_nobody_comes_back(world: World) -> None:
    world.store.fail("create_upload", StoreUnknownOutcome("cut"), after=True)
    with pytest.raises(StoreUnknownOutcome):
        world.open()
    assert world.service.reconcile().abandoned == 0
    world.clock.forward(seconds=901)
    assert world.service.reconcile().abandoned == 1
    world.nothing_left(unfinished(world))
    assert world.bucket().size == 0


def test_retried_creation_may_have_left_a_stray(world: World) -> None:
    world.store.lose_create_answer()
    upload = world.open()
    assert upload.may_have_strays
    assert len(world.store.uploads()) == 2
    world.service.abort(upload)
    world.nothing_left(upload)


def test_refused_takeover_leaves_the_stray_to_the_sweep(world: World) -> None:
    world.store.fail("create_upload", StoreUnknownOutcome("cut"), after=True)
    with pytest.raises(StoreUnknownOutcome):
        world.open()
    world.store.fail("create_upload", StoreRefused("no"))
    with pytest.raises(StoreRefused):
        world.open()
    upload = unfinished(world)
    assert upload.state is State.ABORTING
    assert world.service.sweep().aborted == 1
    world.nothing_left(upload)


def test_two_opens_at_once_get_the_same_upload(world: World) -> None:
    others: list[Upload] = []
    world.store.on("create_upload", lambda: others.append(world.open()))
    upload = world.open()
    assert [other.id for other in others] == [upload.id]
    assert others[0].s3_upload_id == upload.s3_upload_id
    assert len(world.store.uploads()) == 1
    assert world.bucket().size == 12 * MIB


def test_abort_while_the_store_opens_wins(world: World) -> None:
    world.store.on("create_upload", lambda: world.service.abort(unfinished(world)))
    with pytest.raises(StoreRetryLater):
        world.open()
    upload = unfinished(world)
    assert upload.state is State.ABORTED
    world.nothing_left(upload)
    assert world.bucket().size == 0


def test_answer_of_the_store_that_comes_too_late_is_found_by_the_second_look(world: World) -> None:
    def crash() -> None:
        world.service.abort(unfinished(world))
        raise KeyboardInterrupt

    world.store.on("create_upload", crash, after=False)
    with pytest.raises(KeyboardInterrupt):
        world.open()
    upload = unfinished(world)
    world.store.create_upload(upload.s3_bucket, upload.s3_key, content_type="a/b", stamp=upload.stamp)
    assert len(world.store.uploads()) == 1
    world.clock.forward(days=2)
    assert world.service.sweep().rechecked == 1
    world.nothing_left(upload)


# completing -----------------------------------------------------------------------------------------------------------


def test_lost_answer_to_completion_is_settled_by_the_object(world: World) -> None:
    upload = world.open()
    world.put(upload)
    world.store.fail("complete_upload", StoreUnknownOutcome("cut"), after=True)
    assert world.service.complete(upload).state is State.COMPLETED
    assert (file := world.file(upload)) is not None
    assert file.readable


def test_unknown_outcome_without_object_is_settled_by_the_next_call(world: World) -> None:
    upload = world.open()
    world.put(upload)
    world.store.fail("complete_upload", StoreUnknownOutcome("cut"))
    with pytest.raises(StoreUnknownOutcome):
        world.service.complete(upload)
    assert world.current(upload).state is State.COMPLETING
    assert world.service.complete(world.current(upload)).state is State.COMPLETED


@pytest.mark.parametrize("gone", [True, False], ids=["completed", "open"])
def test_unknown_outcome_is_settled_by_reconcile(world: World, gone: bool) -> None:
    upload = world.open()
    world.put(upload)
    world.store.fail("complete_upload", StoreUnknownOutcome("cut"), after=gone)
    if gone:
        world.store.fail("head_object", StoreRetryLater("busy"))
    with pytest.raises(StoreError):
        world.service.complete(upload)
    world.clock.forward(seconds=301)
    report = world.service.reconcile()
    assert (report.completed, report.reopened) == ((1, 0) if gone else (0, 1))
    assert world.current(upload).state is (State.COMPLETED if gone else State.OPEN)


@pytest.mark.parametrize("error", [StoreRetryLater("busy"), StoreRefused("no")], ids=["busy", "refused"])
@pytest.mark.parametrize("operation", ["list_parts", "complete_upload"])
def test_store_in_trouble_leaves_the_upload_open(world: World, operation: str, error: StoreError) -> None:
    upload = world.open()
    world.put(upload)
    world.store.fail(operation, error)
    with pytest.raises(type(error)):
        world.service.complete(upload)
    assert world.current(upload).state is State.OPEN
    assert world.service.complete(world.current(upload)).state is State.COMPLETED


def test_parts_that_the_store_refuses_can_be_repaired(world: World) -> None:
    upload = world.open()
    world.put(upload)
    world.store.fail("complete_upload", StorePartsRefused("EntityTooSmall"))
    with pytest.raises(PartsMismatch):
        world.service.complete(upload)
    assert world.service.complete(world.current(upload)).state is State.COMPLETED


def test_upload_that_is_gone_at_the_store_is_lost(world: World) -> None:
    world.add_file()
    upload = world.open()
    world.store.abort_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
    with pytest.raises(UploadLost):
        world.service.complete(upload)
    assert world.current(upload).state is State.LOST
    world.nothing_left(upload)
    assert world.bucket().size == 7
    with pytest.raises(UploadLost):
        world.service.complete(world.current(upload))
    assert world.open().state is State.OPEN


def test_upload_that_was_completed_behind_our_back_is_published(world: World) -> None:
    upload = world.open()
    world.put(upload)
    parts = world.store.list_parts(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
    world.store.complete_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "", parts)
    assert world.service.complete(upload).state is State.COMPLETED


def test_object_of_somebody_else_under_our_key_is_no_success(world: World) -> None:
    upload = world.open()
    world.store.abort_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
    world.store.put_object(upload.s3_bucket, upload.s3_key, b"x", stamp="foreign")
    with pytest.raises(UploadLost):
        world.service.complete(upload)


def test_object_of_another_size_is_never_readable(world: World) -> None:
    upload = world.open()
    world.put(upload)
    world.store.on(
        "complete_upload",
        lambda: world.store.put_object(upload.s3_bucket, upload.s3_key, b"short", stamp=upload.stamp),
        after=True,
    )
    with pytest.raises(UploadLost):
        world.service.complete(upload)
    world.nothing_left(upload)
    assert world.bucket().size == 0


def test_object_that_the_store_does_not_show_yet(world: World) -> None:
    upload = world.open()
    world.put(upload)
    world.store.on("complete_upload", lambda: world.store.delete_object(upload.s3_bucket, upload.s3_key), after=True)
    with pytest.raises(StoreUnknownOutcome):
        world.service.complete(upload)
    assert (file := world.file(upload)) is not None
    assert not file.readable


def test_part_that_the_listing_lacks_at_first_is_asked_for_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = world.open()
    world.put(upload)
    etags = {part.number: part.etag for part in world.service.parts(upload).parts}
    listings = [world.store.list_parts(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")[:2]]
    real = world.store.list_parts
    monkeypatch.setattr(world.store, "list_parts", lambda *args: listings.pop() if listings else real(*args))
    assert world.service.complete(upload, etags).state is State.COMPLETED


def test_two_completions_have_one_winner_and_one_answer(world: World) -> None:
    upload = world.open()
    world.put(upload)
    told: list[bool] = []

    def complete_too() -> None:
        with pytest.raises(UploadBusy):
            world.service.complete(world.current(upload))
        told.append(True)

    world.store.on("complete_upload", complete_too)
    completed = world.service.complete(upload)
    assert completed.state is State.COMPLETED
    assert world.owner.told.count(("completed", "data.zip")) == 1
    assert world.events(upload).count("completed") == 1
    assert told == [True]


def test_completion_that_was_taken_over_answers_what_the_other_has_done(world: World) -> None:
    upload = world.open()
    world.put(upload)

    def take_over() -> None:
        world.clock.forward(seconds=301)  # the first request hangs for longer than its claim lasts
        assert world.service.complete(world.current(upload)).state is State.COMPLETED

    world.store.on("complete_upload", take_over, after=True)
    assert world.service.complete(upload).state is State.COMPLETED
    assert world.owner.told.count(("completed", "data.zip")) == 1


def test_doubt_about_an_interrupted_completion_is_kept_while_the_store_cannot_be_asked(world: World) -> None:
    upload = world.open()
    world.put(upload)
    world.store.fail("complete_upload", StoreUnknownOutcome("cut"), after=True)
    world.store.fail("head_object", StoreRetryLater("busy"))
    with pytest.raises(StoreError):
        world.service.complete(upload)
    world.clock.forward(seconds=301)
    world.store.fail("list_parts", StoreRetryLater("busy"))
    with pytest.raises(StoreRetryLater):
        world.service.complete(world.current(upload))
    assert world.current(upload).state is State.COMPLETING
    assert world.service.complete(world.current(upload)).state is State.COMPLETED


def test_worker_that_dies_after_the_store_has_joined_the_parts_holds_nobody_up(world: World) -> None:
    upload = world.open()
    world.put(upload)

    def die() -> None:
        raise KeyboardInterrupt

    world.store.on("complete_upload", die, after=True)
    with pytest.raises(KeyboardInterrupt):
        world.service.complete(upload)
    claimed = world.current(upload)
    assert claimed.claimed_until is not None
    assert claimed.claimed_until > world.clock() + timedelta(minutes=4)
    assert world.service.complete(claimed).state is State.COMPLETED
    assert world.clock() < claimed.claimed_until


@pytest.mark.parametrize("when", ["list_parts", "complete_upload", "head_object"])
def test_abort_loses_against_a_completion_that_has_begun(world: World, when: str) -> None:
    upload = world.open()
    world.put(upload)

    def abort() -> None:
        with pytest.raises(UploadBusy):
            world.service.abort(world.current(upload))

    world.store.on(when, abort)
    assert world.service.complete(upload).state is State.COMPLETED


def test_completion_loses_against_an_abort_that_has_begun(world: World) -> None:
    upload = world.open()
    world.put(upload)

    def complete() -> None:
        with pytest.raises(UploadAborted):
            world.service.complete(world.current(upload))

    world.store.on("abort_upload", complete)
    assert world.service.abort(upload).state is State.ABORTED
    world.nothing_left(upload)


def test_sweep_does_not_touch_a_completion_that_has_begun(world: World) -> None:
    upload = world.open()
    world.put(upload)

    def sweep() -> None:
        world.clock.forward(hours=24)
        assert world.service.sweep().as_dict() == {"expired": 0, "aborted": 0, "rechecked": 0, "failed": 0}

    world.store.on("complete_upload", sweep)
    assert world.service.complete(upload).state is State.COMPLETED


def test_file_that_is_deleted_during_completion_leaves_nothing(world: World) -> None:
    upload = world.open()
    world.put(upload)

    def delete() -> None:
        ObjectVersion.delete(world.bucket(), "data.zip")
        db.session.commit()

    world.store.on("complete_upload", delete)
    with pytest.raises(UploadAborted):
        world.service.complete(upload)
    world.nothing_left(upload)
    assert world.bucket().size == 0
    assert world.events(upload)[-2:] == ["orphaned", "aborted"]


def test_quota_is_exact_after_invenio_deleted_the_pending_file(world: World) -> None:
    upload = world.open()
    ObjectVersion.delete(world.bucket(), "data.zip")
    db.session.commit()
    assert world.bucket().size == 0
    world.service.abort(upload)
    world.nothing_left(upload)
    assert world.bucket().size == 0


def test_quota_is_exact_after_another_version_was_put_on_top(world: World) -> None:
    upload = world.open()
    newer = world.add_file()
    world.service.abort(upload)
    assert (head := world.head()) is not None
    assert head.version_id == newer
    assert world.bucket().size == 7


def test_snapshot_of_a_pending_file_goes_with_it(world: World) -> None:
    upload = world.open()
    copy = world.bucket().snapshot()
    db.session.commit()
    assert copy.size == 12 * MIB
    world.service.abort(upload)
    world.nothing_left(upload)
    db.session.refresh(copy)
    assert copy.size == 0


# aborting -------------------------------------------------------------------------------------------------------------


def test_abort_that_the_store_does_not_take_is_finished_by_the_sweep(world: World) -> None:
    upload = world.open()
    world.put(upload, 1)
    world.store.fail("abort_upload", StoreRetryLater("busy"))
    with pytest.raises(StoreRetryLater):
        world.service.abort(upload)
    assert world.current(upload).state is State.ABORTING
    assert world.bucket().size == 12 * MIB
    world.clock.forward(minutes=6)
    assert world.service.sweep().aborted == 1
    world.nothing_left(upload)
    assert world.bucket().size == 0


def test_part_in_flight_brings_the_upload_back_and_is_aborted_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = world.open()
    real, brought_back = world.store.list_parts, [True, True]

    def still_there(*args: str) -> object:
        return [] if brought_back and brought_back.pop() else real(*args)

    monkeypatch.setattr(world.store, "list_parts", still_there)
    assert world.service.abort(upload).state is State.ABORTED
    assert [call.name for call in world.store.calls].count("abort_upload") == 3


def test_parts_that_keep_arriving_leave_the_abort_to_the_sweep(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = world.open()
    monkeypatch.setattr(world.store, "list_parts", lambda *args: [])
    with pytest.raises(StoreRetryLater):
        world.service.abort(upload)
    assert world.current(upload).state is State.ABORTING


def test_opening_a_key_that_is_being_aborted_goes_on_with_that_first(world: World) -> None:
    upload = world.open()
    world.store.fail("abort_upload", StoreRetryLater("busy"), times=2)
    for step in (lambda: world.service.abort(upload), world.open):
        with pytest.raises(StoreRetryLater):
            step()
    assert world.open().id != upload.id
    assert world.current(upload).state is State.ABORTED


def test_stale_reader_changes_nothing(world: World) -> None:
    upload = world.open()
    world.service.abort(upload)
    with pytest.raises(sessions.Superseded), sessions.transaction() as session:
        sessions.advance(session, upload, Event.ABORT, world.clock())
    assert world.events(upload) == ["created", "opened", "abort", "aborted"]


def test_unsaved_work_of_the_caller_is_neither_lost_nor_committed(world: World) -> None:
    db.session.add(ObjectVersion(bucket_id=world.bucket_id, key="mine"))
    with pytest.raises(RuntimeError, match="commit or roll back your work"):
        world.open()
    assert len(db.session.new) == 1


# what no call may do --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        lambda world: world.open(),
        lambda world: world.service.parts(world.open()),
        lambda world: _completed(world),
        lambda world: world.service.abort(world.open()),
        lambda world: _swept(world),
    ],
    ids=["open", "list", "complete", "abort", "sweep"],
)
def test_no_connection_is_held_while_the_store_is_called(world: World, act: Callable[[World], object]) -> None:
    held: list[int] = []
    pool = db.engine.pool
    for operation in ("create_upload", "list_parts", "complete_upload", "head_object", "abort_upload"):
        world.store.on(operation, lambda: held.append(pool.checkedout()), times=100)
    db.session.commit()
    act(world)
    assert held
    assert set(held) == {0}


def _completed(world: World) -> None:
    upload = world.open()
    world.put(upload)
    world.service.complete(upload)


def _swept(world: World) -> None:
    world.open()
    world.clock.forward(days=2)
    assert world.service.sweep().expired == 1


def test_gone_upload_lists_no_parts(world: World) -> None:
    upload = world.open()
    world.store.fail("list_parts", StoreUploadGone("gone"))
    report = world.service.parts(upload)
    assert (list(report.parts), list(report.missing)) == ([], [(1, 3)])


def test_request_without_owner_asks_all_of_them(world: World) -> None:
    world.service.open(OpenRequest(world.bucket_id, "data.zip", 1, owner="recorder"))
    assert world.owner.told == [("opened", "data.zip")]

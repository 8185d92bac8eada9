# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Many uploads at a time: what the common way cannot do is done as by the single call."""

import base64
import hashlib
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from invenio_db import db
from invenio_files_rest.models import ObjectVersion

from oarepo_s3.errors import (
    BucketLocked,
    InvalidKey,
    OARepoS3Error,
    PartsMismatch,
    StorePartsRefused,
    StoreRefused,
    StoreRetryLater,
    StoreUnknownOutcome,
    UploadAborted,
    UploadBusy,
    UploadExpired,
    UploadLost,
)
from oarepo_s3.testing import Blank
from oarepo_s3.uploads import batch_completing, batch_opening, sessions
from oarepo_s3.uploads.lanes import LANES, in_parallel
from oarepo_s3.uploads.models import Upload
from oarepo_s3.uploads.opening import Opened, OpenRequest
from oarepo_s3.uploads.states import Event, State
from tests.integration.uploads.conftest import MIB, World

DATA = b"0123456789"
MD5 = base64.b64encode(hashlib.md5(DATA).digest()).decode()


def small(world: World, key: str, **facts: Any) -> OpenRequest:
    return OpenRequest(world.bucket_id, key, len(DATA), content_md5=MD5, **facts)


def big(world: World, key: str, size: int = 12 * MIB, **facts: Any) -> OpenRequest:
    return OpenRequest(world.bucket_id, key, size, part_size=5 * MIB, **facts)


def opened(world: World, *requests: OpenRequest) -> list[Upload]:
    """Open them all, and bring what they are to bring."""
    results = world.service.batches.open(requests)
    uploads = [result.upload for result in results if isinstance(result, Opened)]
    assert len(uploads) == len(requests)
    for upload in uploads:
        send(world, upload)
    return uploads


def send(world: World, upload: Upload) -> None:
    if upload.is_one_put:
        world.store.put_object(upload.s3_bucket, upload.s3_key, DATA)
    else:
        world.put(upload)


def complete(world: World, uploads: Sequence[Upload]) -> list[Any]:
    """States of those that are, types of the errors of those that are not."""
    results = world.service.batches.complete([(upload, {}) for upload in uploads], "me")
    return [result.state if isinstance(result, Upload) else type(result) for result in results]


def test_open_and_complete_in_bulk(world: World):
    before = world.add_file("b")
    ObjectVersion.create(world.bucket(), "c")
    db.session.commit()
    uploads = opened(world, small(world, "a", actor="me"), small(world, "b"), small(world, "c"), big(world, "d"))
    assert [upload.state for upload in uploads] == [State.OPEN] * 4
    assert [upload.took_head for upload in uploads] == [True, False, True, True]
    head = world.head("b")
    assert head is not None
    assert head.version_id == before
    assert world.bucket().size == 7 + 30 + 12 * MIB
    assert complete(world, uploads) == [State.COMPLETED] * 4
    assert complete(world, [world.current(upload) for upload in uploads]) == [State.COMPLETED] * 4
    for upload in uploads:
        head, file = world.head(upload.key), world.file(upload)
        assert head is not None
        assert file is not None
        assert (head.version_id, file.readable) == (upload.version_id, True)
        assert world.current(upload).etag == (world.store.objects()[upload.s3_bucket, upload.s3_key].etag)
        assert world.events(upload) == ["created", "opened", "complete", "completed"]
    assert world.owner.told == [(what, key) for what in ("opened", "completed") for key in "abcd"]
    assert world.bucket().size == 7 + 30 + 12 * MIB


def test_keys_are_found_pending_or_ended(world: World):
    aborted = world.service.abort(world.open("a"))
    world.clock.forward(seconds=1)
    latest = world.service.abort(world.open("a"))
    pending = world.open("b")
    found = world.service.batches.find(world.bucket_id, ["a", "b", "c"])
    assert {key: upload.id for key, upload in found.items()} == {"a": latest.id, "b": pending.id}
    assert aborted.id != latest.id
    assert world.service.batches.find(world.bucket_id, ["b"])["b"].id == pending.id


def test_key_that_is_there_twice_and_bucket_that_is_not(world: World):
    nowhere = OpenRequest(uuid.uuid4(), "a", len(DATA), content_md5=MD5)
    results = world.service.batches.open([small(world, "a"), small(world, "a"), nowhere, small(world, "../up")])
    assert [type(result) for result in results] == [Opened, InvalidKey, BucketLocked, InvalidKey]


def test_what_holds_the_key_is_dealt_with_as_by_the_single_call(world: World):
    kept = world.open("kept")
    over = world.open("over", expires=60)
    busy = world.open("busy")
    assert world.service._completer._claim(busy, Event.COMPLETE, None)
    world.store.fail("create_upload", StoreUnknownOutcome("lost"))
    with pytest.raises(StoreUnknownOutcome):
        world.open("opening")
    world.clock.forward(minutes=2)
    keys = ["kept", "over", "busy", "opening", "new"]
    results = world.service.batches.open([big(world, key) for key in keys])
    facts = [(one.resumed, one.upload.state) if isinstance(one, Opened) else type(one) for one in results]
    assert facts == [
        (True, State.OPEN), (False, State.OPEN), UploadBusy, (True, State.OPEN), (False, State.OPEN)
    ]  # fmt: skip
    assert isinstance(results[0], Opened)
    assert results[0].upload.id == kept.id
    assert world.current(over).state is State.ABORTED


@pytest.mark.parametrize("error", [StoreRefused("no"), StoreUnknownOutcome("lost")])
def test_store_that_does_not_open_one(world: World, error: OARepoS3Error):
    world.store.fail("create_upload", error)  # type: ignore[arg-type]
    results = world.service.batches.open([big(world, "a"), big(world, "b"), small(world, "c")])
    assert sorted(type(result).__name__ for result in results) == sorted([type(error).__name__, "Opened", "Opened"])


def test_owner_that_cannot_do_with_one(world: World):
    world.owner.failing.add("bad")
    results = world.service.batches.open([small(world, "a"), small(world, "bad"), small(world, "c")])
    assert [type(result) for result in results] == [Opened, OARepoS3Error, Opened]
    assert world.bucket().size == 20
    world.owner.failing.clear()
    uploads = opened(world, small(world, "a"), small(world, "bad"), small(world, "c"))
    world.owner.failing.add("bad")
    assert complete(world, uploads) == [State.COMPLETED, OARepoS3Error, State.COMPLETED]
    world.owner.failing.clear()
    world.clock.forward(minutes=2)
    assert complete(world, [world.current(upload) for upload in uploads]) == [State.COMPLETED] * 3


def test_ended_and_expired_ones_say_so(world: World):
    lives, over = opened(world, small(world, "a"), small(world, "b", expires=60))
    aborted = world.service.abort(world.open("c"))
    world.clock.forward(minutes=2)
    assert complete(world, [lives, over, aborted]) == [State.COMPLETED, UploadExpired, UploadAborted]


def test_one_that_is_completing_is_not_waited_for(world: World):
    here, there = opened(world, small(world, "a"), big(world, "b"))
    assert world.service._completer._claim(there, Event.COMPLETE, None)
    before = world.clock.now
    assert complete(world, [here, world.current(there)]) == [State.COMPLETED, UploadBusy]
    assert world.clock.now == before
    world.clock.forward(minutes=2)
    assert complete(world, [world.current(there)]) == [State.COMPLETED]


def test_one_that_somebody_else_completes_first(world: World):
    uploads = opened(world, small(world, "a"), small(world, "b"))
    world.service.complete(uploads[1])
    assert complete(world, uploads) == [State.COMPLETED] * 2
    assert world.events(uploads[1]).count("completed") == 1


def test_one_that_has_been_tried_before(world: World):
    first, second = opened(world, small(world, "a"), small(world, "b"))
    world.store.delete_object(first.s3_bucket, first.s3_key)
    assert complete(world, [first, second]) == [PartsMismatch, State.COMPLETED]
    third = opened(world, small(world, "c"))[0]
    send(world, first)
    assert complete(world, [world.current(first), third]) == [State.COMPLETED] * 2


Act = Callable[[World, Upload], Any]


def refuse_parts(world: World, upload: Upload) -> None:
    world.store.fail("complete_upload", StorePartsRefused("no"))


def lose_the_answer(world: World, upload: Upload) -> None:
    world.store.fail("complete_upload", StoreUnknownOutcome("lost"), after=True)


def lose_the_call(world: World, upload: Upload) -> None:
    world.store.fail("complete_upload", StoreUnknownOutcome("lost"))


def busy_when_asked(world: World, upload: Upload) -> None:
    world.store.fail("list_parts", StoreRetryLater("busy"))


def gone(world: World, upload: Upload) -> None:
    world.store.abort_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")


def object_of_another_size(world: World, upload: Upload) -> None:
    def replace() -> None:
        world.store.put_object(upload.s3_bucket, upload.s3_key, Blank(1), stamp=upload.stamp)

    world.store.on("complete_upload", replace, after=True)


def object_not_shown(world: World, upload: Upload) -> None:
    def hide() -> None:
        world.store.delete_object(upload.s3_bucket, upload.s3_key)

    world.store.on("complete_upload", hide, after=True)


def file_deleted(world: World, upload: Upload) -> None:
    ObjectVersion.delete(world.bucket_id, upload.key)
    db.session.commit()


CASES: dict[str, tuple[Act, Any, State]] = {
    "the store refuses the parts": (refuse_parts, PartsMismatch, State.OPEN),
    "an answer is lost": (lose_the_answer, State.COMPLETED, State.COMPLETED),
    "a call is lost": (lose_the_call, StoreUnknownOutcome, State.COMPLETING),
    "the store is busy": (busy_when_asked, StoreRetryLater, State.OPEN),
    "the upload is gone": (gone, UploadLost, State.LOST),
    "the object has another size": (object_of_another_size, UploadLost, State.LOST),
    "the object is not shown yet": (object_not_shown, StoreUnknownOutcome, State.COMPLETING),
    "the file was deleted": (file_deleted, UploadAborted, State.ABORTED),
}


@pytest.mark.parametrize("what", CASES)
def test_what_befalls_one_of_them(world: World, what: str):
    act, expected, state = CASES[what]
    parts, put = opened(world, big(world, "a"), small(world, "b"))
    act(world, parts)
    assert complete(world, [parts, put]) == [expected, State.COMPLETED]
    assert world.current(parts).state is state


def test_files_that_were_all_deleted(world: World):
    uploads = opened(world, small(world, "a"), small(world, "b"))
    for upload in uploads:
        file_deleted(world, upload)
    assert complete(world, uploads) == [UploadAborted, UploadAborted]


def test_head_that_fails_after_the_joining_leaves_it_completing(world: World):
    (upload,) = opened(world, big(world, "a"))
    world.store.fail("head_object", StoreRetryLater("busy"))
    assert complete(world, [upload]) == [StoreRetryLater]
    assert world.current(upload).state is State.COMPLETING
    world.clock.forward(hours=1)
    assert complete(world, [world.current(upload)]) == [State.COMPLETED]


def test_claim_that_was_taken_over_meanwhile(world: World):
    parts, put = opened(world, big(world, "a"), small(world, "b"))

    def take_over() -> None:
        with world.app.app_context(), sessions.transaction() as session:
            current = sessions.get(session, parts.id)
            assert current is not None
            sessions.update(session, current, claims=current.claims + 1)

    world.store.on("list_parts", take_over)
    assert complete(world, [parts, put]) == [UploadBusy, State.COMPLETED]


@pytest.mark.parametrize("step", ["claim_many", "_publish_within"])
def test_database_that_fails_in_bulk(world: World, monkeypatch: pytest.MonkeyPatch, step: str):
    uploads = opened(world, small(world, "a"), big(world, "b"))

    def fail(*_: Any) -> None:
        raise RuntimeError("the database is not there")

    where = world.service._completer if step == "claim_many" else batch_completing.BatchCompleter
    monkeypatch.setattr(where, step, fail)
    assert complete(world, uploads) == [State.COMPLETED] * 2


def test_database_that_fails_in_bulk_at_opening(world: World, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any) -> None:
        raise RuntimeError("the database is not there")

    monkeypatch.setattr(batch_opening.BatchOpener, "_claim", fail)
    assert len(opened(world, small(world, "a"), big(world, "b"))) == 2


def test_reports_tell_of_each(world: World):
    parts, put = opened(world, big(world, "a"), small(world, "b"))
    world.store.fail("list_parts", StoreRetryLater("busy"))
    failed, report = world.service.batches.parts([parts, put])
    assert isinstance(failed, StoreRetryLater)
    assert not isinstance(report, OARepoS3Error)
    assert [part.number for part in report.parts] == [1]


def test_no_more_calls_at_a_time_than_there_are_lanes():
    lock, running, most = threading.Lock(), 0, 0
    gate = threading.Barrier(LANES)

    def ask(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait(10)
        with lock:
            running -= 1
        return number * 2

    assert in_parallel(ask, range(LANES * 4)) == [number * 2 for number in range(LANES * 4)]
    assert most == LANES
    assert in_parallel(lambda number: number + 1, []) == []
    assert in_parallel(lambda _: threading.current_thread(), [1]) == [threading.current_thread()]

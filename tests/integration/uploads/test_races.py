# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Two requests about one upload, each moment at which the second may come."""

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from invenio_db import db
from invenio_files_rest.models import Bucket, FileInstance, Location, ObjectVersion

from oarepo_s3.errors import (
    NotAnS3Location,
    StoreRefused,
    StoreUnknownOutcome,
    UploadAborted,
    UploadBusy,
    UploadCompleted,
    UploadExpired,
    UploadLost,
)
from oarepo_s3.store.contract import StoredObject
from oarepo_s3.uploads import sessions
from oarepo_s3.uploads.aborting import Aborter
from oarepo_s3.uploads.completing import Completer
from oarepo_s3.uploads.models import Upload
from oarepo_s3.uploads.opening import ROUNDS, OpenRequest
from oarepo_s3.uploads.states import State

from .conftest import MIB, World
from .test_sweep import interrupt_completion


def filled(world: World, **facts: str) -> Upload:
    """An upload with all its parts."""
    upload = world.open(**facts)
    world.put(upload)
    return upload


def take_over_and_hang(world: World, upload: Upload) -> None:
    """Another request takes a completion over that takes too long, and gets no answer either."""
    world.clock.forward(seconds=301)
    world.store.fail("complete_upload", StoreUnknownOutcome("cut"))
    with pytest.raises(StoreUnknownOutcome):
        world.service.complete(world.current(upload))


# opening --------------------------------------------------------------------------------------------------------------


def test_refusal_that_comes_after_another_request_got_through(world: World) -> None:
    world.store.on("create_upload", world.open)
    world.store.fail("create_upload", StoreRefused("no"))
    with pytest.raises(StoreRefused):
        world.open()
    upload = world.open()
    assert upload.state is State.OPEN
    assert len(world.store.uploads()) == 1
    assert world.bucket().size == 12 * MIB


def test_lost_answer_that_comes_after_another_request_got_through(world: World) -> None:
    world.store.on("create_upload", world.open)
    world.store.fail("create_upload", StoreUnknownOutcome("cut"))
    with pytest.raises(StoreUnknownOutcome):
        world.open()
    assert world.open().may_have_strays


def test_open_while_the_last_upload_completes(world: World) -> None:
    upload = filled(world)

    def open_too() -> None:
        with pytest.raises(UploadBusy) as refused:
            world.open()
        assert refused.value.retry_after == 5

    world.store.on("complete_upload", open_too)
    assert world.service.complete(upload).state is State.COMPLETED
    assert world.open().id != upload.id


def test_dead_upload_that_cannot_be_cleared_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = world.open()
    world.clock.forward(days=1)
    cleared: list[Upload] = []
    with monkeypatch.context() as patch:
        patch.setattr(Aborter, "clear_away", lambda self, upload: cleared.append(upload))  # others are always faster
        with pytest.raises(UploadBusy):
            world.open()
    assert [found.id for found in cleared] == [upload.id] * ROUNDS
    assert world.open().id != upload.id


def test_files_that_are_kept_elsewhere(world: World, tmp_path: Path) -> None:
    db.session.add(Location(name="local", uri=str(tmp_path), default=False))
    bucket = Bucket.create(location="local")
    db.session.commit()
    with pytest.raises(NotAnS3Location):
        world.service.open(OpenRequest(bucket.id, "data.zip", 1))
    assert db.session.query(FileInstance).count() == 0
    assert world.store.calls == []


# completing -----------------------------------------------------------------------------------------------------------


def test_completion_that_lost_its_claim_while_it_checked_the_parts(world: World) -> None:
    upload = filled(world)
    world.store.on("list_parts", lambda: take_over_and_hang(world, upload), after=True)
    with pytest.raises(UploadBusy, match="taken the upload over"):
        world.service.complete(upload)
    assert world.service.complete(world.current(upload)).state is State.COMPLETED


def test_two_completions_without_an_answer(world: World) -> None:
    upload = filled(world)
    world.store.on("complete_upload", lambda: take_over_and_hang(world, upload))
    world.store.fail("complete_upload", StoreUnknownOutcome("cut"))
    with pytest.raises(UploadBusy, match="taken the upload over"):
        world.service.complete(upload)
    assert world.service.complete(world.current(upload)).state is State.COMPLETED


def test_two_completions_that_find_the_upload_gone(world: World) -> None:
    upload = filled(world)

    def lose() -> None:
        world.store.abort_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
        world.clock.forward(seconds=301)
        with pytest.raises(UploadLost):
            world.service.complete(world.current(upload))

    world.store.on("complete_upload", lose)
    with pytest.raises(UploadLost):
        world.service.complete(upload)
    assert world.events(upload).count("lost") == 1
    world.nothing_left(upload)
    assert world.bucket().size == 0


def test_object_that_is_not_what_the_parts_make(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = filled(world)
    other = StoredObject(upload.size, f"{'0' * 32}-3", upload.stamp)
    monkeypatch.setattr(world.store, "head_object", lambda *args: other)
    with pytest.raises(UploadLost, match="its parts make"):
        world.service.complete(upload)
    world.nothing_left(upload)
    assert world.bucket().size == 0


def test_declared_checksum_is_compared_also_when_the_parts_are_gone(world: World) -> None:
    upload = filled(world, checksum=f"etag:{'0' * 32}-3")
    parts = world.store.list_parts(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
    world.store.complete_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "", parts)
    with pytest.raises(UploadLost, match="the checksum was declared as"):
        world.service.complete(upload)
    world.nothing_left(upload)


def test_upload_that_the_store_never_opened(world: World) -> None:
    with pytest.raises(UploadAborted):
        world.service.complete(replace(world.open(), s3_upload_id=None))


def test_only_a_completing_upload_is_settled(world: World) -> None:
    upload = world.open()
    context = world.service.context
    assert Completer(context, Aborter(context)).settle(upload) is upload
    assert [call.name for call in world.store.calls] == ["create_upload"]


def test_each_end_has_its_own_answer(world: World) -> None:
    expired, completed, lost = world.open("expired"), filled(world), world.open("lost")
    world.service.complete(completed)
    world.store.abort_upload(lost.s3_bucket, lost.s3_key, lost.s3_upload_id or "")
    with pytest.raises(UploadLost):
        world.service.complete(lost)
    world.clock.forward(days=1)
    assert world.service.sweep().expired == 1
    for upload, error in [(expired, UploadExpired), (completed, UploadCompleted), (lost, UploadLost)]:
        with pytest.raises(error):
            world.service.sign(world.current(upload))


@pytest.mark.parametrize("state", [State.OPENING, State.COMPLETING])
def test_upload_that_is_busy(world: World, state: State) -> None:
    with pytest.raises(UploadBusy) as refused:
        world.service.sign(replace(world.open(), state=state))
    assert refused.value.retry_after


# aborting -------------------------------------------------------------------------------------------------------------


def test_two_aborts_at_once(world: World) -> None:
    upload = world.open()
    world.store.on("abort_upload", lambda: world.service.abort(world.current(upload)))
    assert world.service.abort(upload).state is State.ABORTED
    assert world.events(upload) == ["created", "opened", "abort", "aborted"]
    assert world.owner.told == [("opened", "data.zip"), ("released", "data.zip")]


def test_abort_by_somebody_who_read_too_early(world: World) -> None:
    upload = world.open()
    world.put(upload)
    world.store.fail("complete_upload", StoreUnknownOutcome("cut"))
    with pytest.raises(StoreUnknownOutcome):
        world.service.complete(upload)
    with pytest.raises(UploadBusy, match="has just changed"):
        world.service.abort(upload)
    assert world.current(upload).state is State.COMPLETING


def test_abort_of_a_completion_that_another_request_takes_over(world: World) -> None:
    upload = interrupt_completion(world)
    world.store.on("list_parts", lambda: take_over_and_hang(world, upload))
    with pytest.raises(UploadBusy, match="is being completed"):
        world.service.abort(world.current(upload))
    assert world.current(upload).state is State.COMPLETING


def test_delete_marker_that_was_removed_meanwhile(world: World) -> None:
    old = world.add_file()
    marker = ObjectVersion.delete(world.bucket(), "data.zip")
    db.session.commit()
    upload = world.open()
    assert upload.previous_head_id == marker.version_id
    marker.remove()
    db.session.commit()
    world.service.abort(upload)
    assert (head := world.head()) is not None
    assert head.version_id == old


# secrets --------------------------------------------------------------------------------------------------------------


def test_upload_id_is_in_no_error_of_the_database(world: World) -> None:
    upload = world.open()
    with pytest.raises(sa.exc.IntegrityError) as refused, sessions.transaction() as session:
        sessions.insert(session, [upload])
    assert "INSERT INTO oarepo_s3_uploads" in str(refused.value)
    assert upload.public_id not in f"{refused.value} {refused.value!r}"

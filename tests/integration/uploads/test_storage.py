# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Uploads that are opened by the storage, in the transaction of a caller that knows no records."""

import uuid
from contextlib import nullcontext
from threading import Event, Thread
from typing import Any

import pytest
import sqlalchemy as sa
from invenio_db import db
from invenio_files_rest import current_files_rest
from invenio_files_rest.models import Bucket, FileInstance, Location, ObjectVersion
from invenio_files_rest.tasks import remove_file_data

from oarepo_s3.api import MultipartUpload
from oarepo_s3.errors import (
    BadRequest,
    InvalidPlan,
    PartsMismatch,
    QuotaExceeded,
    StoreRefused,
    StoreRetryLater,
    StoreUnknownOutcome,
    StoreUploadGone,
    UploadAborted,
    UploadExists,
    UploadExpired,
    UploadLost,
    UploadNotFound,
)
from oarepo_s3.uploads import files
from oarepo_s3.uploads.models import Upload
from oarepo_s3.uploads.states import State

from .conftest import MIB, ON_POSTGRESQL, World


def assign(world: World, key: str = "data.zip", **facts: Any) -> tuple[MultipartUpload, ObjectVersion]:
    """What ``record.files[key] = MultipartUpload(...)`` comes down to; nothing is committed."""
    mu = MultipartUpload(key, **({"size": 12 * MIB, "part_size": 5 * MIB} | facts))
    # On SQLite only a write begins a transaction: without one before it, the savepoint's end would be the commit.
    db.session.execute(sa.update(Location).values(default=True))
    with db.session.begin_nested():
        version = ObjectVersion.create(world.bucket_id, key, stream=mu)
    return mu, version


def one_writer() -> bool:
    return str(db.engine.dialect.name) == "sqlite"


def row(world: World, key: str = "data.zip") -> Upload:
    return world.service.find(world.bucket_id, key)


# the caller commits ---------------------------------------------------------------------------------------------------


def test_session_is_filled_at_once(world: World) -> None:
    mu, version = assign(world, complete_url="https://x/complete", abort_url="https://x/abort")
    assert (mu.session["num_chunks"], mu.session["chunk_size"]) == (3, 5 * MIB)
    assert len(mu.session["parts_url"]) == 3
    assert (mu.session["complete_url"], mu.session["abort_url"]) == ("https://x/complete", "https://x/abort")
    assert mu.session["bucket"] == "files"
    file = version.file
    assert (file.readable, file.writable, file.checksum, file.size) == (False, True, None, 12 * MIB)
    assert file.uri == f"s3://files/{mu.session['key']}"


def test_committed_upload_is_like_any_other(world: World) -> None:
    mu, version = assign(world, content_type="text/csv", fingerprint="f", expires=60)
    db.session.commit()
    assert world.bucket().size == 12 * MIB
    upload = row(world)
    assert (upload.state, upload.public_id, upload.version_id) == (
        State.OPEN,
        mu.session["upload_id"],
        version.version_id,
    )
    assert (upload.content_type, upload.fingerprint) == ("text/csv", "f")
    assert (upload.expires_at - upload.created).total_seconds() == 60
    assert upload.due_at == upload.expires_at
    assert world.events(upload) == ["created", "opened"]
    world.put(upload)
    assert world.service.complete(upload).state is State.COMPLETED
    assert (head := world.head()) is not None
    assert (head.file.readable, head.version_id) == (True, upload.version_id)
    assert world.bucket().size == 12 * MIB


def test_previous_version_stays_what_readers_get(world: World) -> None:
    old = world.add_file()
    assign(world)
    db.session.commit()
    assert (head := world.head()) is not None
    assert head.version_id == old
    assert world.bucket().size == 7 + 12 * MIB
    world.service.abort(row(world))
    world.nothing_left(row(world))
    assert (head := world.head()) is not None
    assert head.version_id == old
    assert world.bucket().size == 7


def test_two_files_in_one_transaction(world: World) -> None:
    assign(world, "a")
    assign(world, "b")
    db.session.commit()
    assert [upload.key for upload in world.service.pending(world.bucket_id)] == ["a", "b"]
    assert world.bucket().size == 24 * MIB


def test_expired_upload_is_swept(world: World) -> None:
    assign(world)
    db.session.commit()
    world.clock.forward(hours=24)
    assert world.service.sweep().expired == 1
    world.nothing_left(row(world))
    assert world.bucket().size == 0


# the caller rolls back ------------------------------------------------------------------------------------------------


def settle_rolled_back(world: World, *keys: str) -> None:
    """On SQLite the store was told at once; elsewhere reconcile finds rows that are still opening."""
    if one_writer():
        assert world.store.uploads() == []
        return
    for key in keys:
        assert (row(world, key).state, row(world, key).active_slot) == (State.OPENING, None)
    world.clock.forward(seconds=901)
    assert world.service.reconcile().abandoned == len(keys)
    assert world.store.uploads() == []
    for key in keys:
        world.nothing_left(row(world, key))


@pytest.mark.parametrize("flushed", [False, True])
def test_rolled_back_transaction_leaves_nothing(world: World, flushed: bool) -> None:
    assign(world)
    if flushed:
        db.session.flush()
    db.session.rollback()
    assert world.bucket().size == 0
    assert world.head() is None
    settle_rolled_back(world, "data.zip")


def test_rolled_back_savepoint_leaves_nothing(world: World) -> None:
    outer = db.session.begin_nested()
    assign(world)
    outer.rollback()
    world.add_file("other")  # commits
    settle_rolled_back(world, "data.zip")
    assert world.bucket().size == 7


def test_outer_rollback_after_a_released_savepoint_leaves_nothing(world: World) -> None:
    with db.session.begin_nested(), db.session.begin_nested():
        assign(world)
    db.session.rollback()
    settle_rolled_back(world, "data.zip")


def test_rolled_back_savepoint_spares_the_uploads_before_it(world: World) -> None:
    assign(world, "kept")
    inner = db.session.begin_nested()
    assign(world, "dropped")
    inner.rollback()
    db.session.commit()
    kept = row(world, "kept")
    assert kept.state is State.OPEN
    assert kept.s3_upload_id in {upload.upload_id for upload in world.store.uploads()}
    world.service.abort(kept)
    settle_rolled_back(world, "dropped")
    assert world.bucket().size == 0


def test_version_that_was_there_before_the_transaction(world: World) -> None:
    version = ObjectVersion.create(world.bucket(), "data.zip")
    db.session.commit()
    db.session.execute(sa.update(Location).values(default=True))
    version.set_contents(MultipartUpload("data.zip", size=MIB))
    db.session.rollback()
    world.clock.forward(seconds=901)
    assert world.service.reconcile().abandoned == (0 if one_writer() else 1)
    assert world.store.uploads() == []
    assert world.bucket().size == 0


@pytest.mark.parametrize("end", ["close", "remove"])
def test_session_that_is_closed_without_a_word(world: World, end: str) -> None:
    assign(world)
    getattr(db.session, end)()  # as at the end of a request that has failed
    settle_rolled_back(world, "data.zip")
    world.add_file("other")
    assert world.bucket().size == 7


def test_failed_flush_rolls_back_all(world: World) -> None:
    assign(world)
    with pytest.raises(sa.exc.IntegrityError), db.session.begin_nested():
        db.session.add(Bucket(default_location=None))
    assert len(world.store.uploads()) == 1  # only the savepoint was rolled back
    db.session.add(Bucket(default_location=None))
    with pytest.raises(sa.exc.IntegrityError):
        db.session.flush()
    db.session.rollback()
    settle_rolled_back(world, "data.zip")


def test_rollback_long_after_the_commit_concerns_nobody(world: World) -> None:
    assign(world)
    db.session.commit()
    world.bucket().size += 1
    db.session.flush()
    db.session.rollback()
    assert row(world).state is State.OPEN
    assert len(world.store.uploads()) == 1


def test_key_can_be_used_again_at_once_after_a_rollback(world: World) -> None:
    assign(world)
    db.session.rollback()
    upload = world.open()
    assert upload.state is State.OPEN
    world.clock.forward(seconds=901)
    world.service.reconcile()
    assert [found.upload_id for found in world.store.uploads()] == [upload.s3_upload_id]
    assert world.current(upload).state is State.OPEN
    assert world.bucket().size == 12 * MIB


def test_store_that_is_away_at_the_rollback_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.store.fail("abort_upload", StoreRetryLater("busy"))
    assign(world)
    db.session.rollback()
    assert world.head() is None
    if one_writer():
        assert "stays at the store" in caplog.text
    else:
        assert world.store.calls[-1].name == "create_upload"


# refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [StoreRefused("no"), StoreRetryLater("busy")], ids=["refused", "busy"])
def test_store_refuses(world: World, error: StoreRefused) -> None:
    world.store.fail("create_upload", error)
    with pytest.raises(type(error)):
        assign(world)
    db.session.rollback()
    assert world.head() is None
    assert world.bucket().size == 0
    if not one_writer():
        assert row(world).state is State.FAILED
    assert world.service.reconcile().abandoned == 0
    assert world.open().state is State.OPEN


def test_store_does_not_say(world: World) -> None:
    world.store.fail("create_upload", StoreUnknownOutcome("cut"), after=True)
    with pytest.raises(StoreUnknownOutcome):
        assign(world)
    db.session.rollback()
    if one_writer():  # the row went with the caller's transaction: the bucket's lifecycle rule is the net
        with pytest.raises(UploadNotFound):
            row(world)
        return
    assert world.service.reconcile().abandoned == 1
    world.nothing_left(row(world))


def test_second_upload_of_a_pending_key_is_refused(world: World) -> None:
    upload = world.open()
    with pytest.raises(UploadExists):
        assign(world)
    db.session.rollback()
    assert world.current(upload).state is State.OPEN
    assert world.bucket().size == 12 * MIB
    assert len(world.store.uploads()) == 1


@ON_POSTGRESQL
def test_two_assignments_at_once_have_one_winner(world: World) -> None:
    db.session.commit()
    second_began, outcomes = Event(), []

    def second() -> None:
        with world.app.app_context():
            second_began.set()
            with pytest.raises(UploadExists):
                assign(world)
            outcomes.append("refused")
            db.session.remove()

    assign(world)
    thread = Thread(target=second)
    thread.start()
    second_began.wait(10)
    db.session.commit()
    thread.join(30)
    assert outcomes == ["refused"]
    assert len(world.store.uploads()) == 1
    assert world.bucket().size == 12 * MIB


@pytest.mark.parametrize("limit", ["quota_size", "max_file_size"])
def test_size_that_does_not_fit(world: World, limit: str) -> None:
    setattr(world.bucket(), limit, 11 * MIB)
    db.session.commit()
    with pytest.raises(QuotaExceeded):
        assign(world)
    db.session.rollback()
    assert world.store.calls == []
    assert world.bucket().size == 0
    assert world.service.pending(world.bucket_id) == []


def test_room_that_is_gone_after_the_store_has_opened(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = files.check_room, [True]

    def check(bucket: Any, size: int) -> None:
        real(bucket, size)
        if not left:
            raise QuotaExceeded("somebody else has taken it")
        left.pop()

    monkeypatch.setattr(files, "check_room", check)
    with pytest.raises(QuotaExceeded):
        assign(world)
    assert [call.name for call in world.store.calls][0] == "create_upload"
    db.session.rollback()
    settle_rolled_back(world, "data.zip")
    assert world.bucket().size == 0


def test_plan_that_cannot_be(world: World) -> None:
    with pytest.raises(InvalidPlan):
        assign(world, part_size=MIB)
    db.session.rollback()
    assert world.store.calls == []


# deleting -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended", [False, True])
def test_invenio_removes_the_row_first_and_the_file_then(world: World, ended: bool) -> None:
    upload = world.open()
    world.put(upload, 1)
    if ended:
        world.put(upload)
        upload = world.service.complete(upload)
    version = db.session.get(ObjectVersion, upload.version_id)
    version.remove()
    db.session.commit()
    if ended:
        file = world.file(upload)
        assert file is not None
        assert not world.service.abort_file(upload.file_id, "file deleted")
        return
    remove_file_data(str(upload.file_id), silent=False)
    assert world.current(upload).state is State.ABORTED
    world.nothing_left(upload)
    assert world.bucket().size == 0


def test_pending_file_that_is_deleted_by_its_storage_is_aborted(world: World) -> None:
    upload = world.open()
    file = world.file(upload)
    assert file is not None
    assert file.storage().delete()
    world.nothing_left(upload)
    assert world.events(upload)[-2:] == ["abort", "aborted"]
    assert not world.service.abort_file(uuid.uuid4(), "nothing there")


# the hooks of the stock transfer of invenio-records-resources ---------------------------------------------------------


def transfer(world: World, parts: int = 3, size: int = 12 * MIB, part_size: int | None = 5 * MIB) -> tuple[Any, Any]:
    """(file, metadata) as the transfer's init_file makes them; not committed."""
    version = ObjectVersion.create(world.bucket(), "data.zip")
    file = FileInstance.create()
    version.set_file(file)
    storage = current_files_rest.storage_factory(
        fileinstance=file, default_location=version.bucket.location.uri, default_storage_class=None
    )
    metadata = storage.multipart_initialize_upload(parts, size, part_size)
    file.set_uri(storage.fileurl, size, None)
    return file, metadata


def test_transfer_from_start_to_end(world: World) -> None:
    file, metadata = transfer(world)
    db.session.commit()
    upload = row(world)
    assert metadata == {"uploadId": upload.public_id, "parts": 3, "part_size": 5 * MIB, "size": 12 * MIB}
    assert world.bucket().size == 12 * MIB
    links = file.storage().multipart_links(**metadata)
    assert [part["part"] for part in links["parts"]] == [1, 2, 3]
    assert all(upload.s3_key in part["url"] for part in links["parts"])
    assert links["parts"][0]["expiration"] > world.clock().isoformat()
    world.put(upload)
    etag = file.storage().multipart_commit_upload(**metadata)
    db.session.commit()
    done = world.current(upload)
    assert (done.state, done.etag) == (State.COMPLETED, etag)
    assert etag.endswith("-3")
    assert world.events(upload) == ["created", "opened", "complete", "completed"]
    assert (stored := world.file(upload)) is not None
    assert (stored.readable, stored.checksum) == (True, f"multipart:{etag}-{5 * MIB}")
    assert file.storage().multipart_commit_upload(**metadata) == etag
    assert world.bucket().size == 12 * MIB


def test_transfer_plans_by_the_number_of_parts(world: World) -> None:
    _, metadata = transfer(world, parts=2, part_size=None)
    assert (metadata["parts"], metadata["part_size"]) == (2, 6 * MIB)
    db.session.rollback()
    with pytest.raises(InvalidPlan):
        transfer(world, parts=5)
    db.session.rollback()


def test_aborted_transfer_gives_its_size_back(world: World) -> None:
    file, metadata = transfer(world)
    db.session.commit()
    upload = row(world)
    file.storage().multipart_abort_upload(**metadata)
    db.session.get(ObjectVersion, upload.version_id).remove()
    assert len(world.store.uploads()) == 1  # nothing is told before the commit
    db.session.commit()
    assert world.store.uploads() == []
    assert world.current(upload).state is State.ABORTING
    assert world.bucket().size == 0
    world.clock.forward(seconds=1)
    assert world.service.sweep().aborted == 1
    assert world.bucket().size == 0
    assert world.head() is None


@pytest.mark.parametrize("nested", [False, True], ids=["plain", "savepoint"])
def test_abort_that_is_rolled_back_did_not_happen(world: World, nested: bool) -> None:
    file, metadata = transfer(world)
    db.session.commit()
    db.session.execute(sa.update(Location).values(default=True))
    with db.session.begin_nested() if nested else nullcontext():
        file.storage().multipart_abort_upload(**metadata)
    db.session.rollback()
    assert row(world).state is State.OPEN
    world.add_file("other")  # a later commit tells the store nothing either
    assert len(world.store.uploads()) == 1
    world.put(row(world))
    assert world.service.complete(row(world)).state is State.COMPLETED


def test_abort_in_a_savepoint_waits_for_the_commit(world: World) -> None:
    file, metadata = transfer(world)
    db.session.commit()
    with db.session.begin_nested():
        file.storage().multipart_abort_upload(**metadata)
    assert len(world.store.uploads()) == 1
    db.session.commit()
    assert world.store.uploads() == []


def test_abort_whose_savepoint_is_rolled_back_did_not_happen(world: World) -> None:
    file, metadata = transfer(world)
    db.session.commit()
    inner = db.session.begin_nested()
    file.storage().multipart_abort_upload(**metadata)
    inner.rollback()
    db.session.commit()
    assert row(world).state is State.OPEN
    assert len(world.store.uploads()) == 1


def test_abort_that_the_store_does_not_take_is_left_to_the_sweep(world: World) -> None:
    file, metadata = transfer(world)
    db.session.commit()
    world.store.fail("abort_upload", StoreRetryLater("busy"))
    file.storage().multipart_abort_upload(**metadata)
    file.storage().multipart_abort_upload(**metadata)  # again: it is over already
    db.session.commit()
    assert len(world.store.uploads()) == 1
    world.clock.forward(seconds=1)
    assert world.service.sweep().aborted == 1
    assert world.store.uploads() == []


def test_transfer_with_parts_missing_can_be_repaired(world: World) -> None:
    file, metadata = transfer(world)
    db.session.commit()
    upload = row(world)
    world.put(upload, 1)
    with pytest.raises(PartsMismatch):
        file.storage().multipart_commit_upload(**metadata)
    db.session.rollback()
    assert world.current(upload).state is State.OPEN
    world.put(upload, 2, 3)
    file.storage().multipart_commit_upload(**metadata)
    db.session.commit()
    assert world.current(upload).state is State.COMPLETED


def test_commit_that_is_rolled_back_can_be_repeated(world: World) -> None:
    file, metadata = transfer(world)
    db.session.commit()
    upload = row(world)
    world.put(upload)
    for _ in range(2):
        etag = file.storage().multipart_commit_upload(**metadata)
        db.session.rollback()
        assert world.current(upload).state is State.OPEN
    assert file.storage().multipart_commit_upload(**metadata) == etag
    db.session.commit()
    assert world.current(upload).state is State.COMPLETED


@pytest.mark.parametrize("error", [StoreUnknownOutcome("cut"), StoreUploadGone("gone")], ids=["unknown", "gone"])
def test_doubtful_commit_is_settled_by_the_object(world: World, error: StoreUnknownOutcome) -> None:
    file, metadata = transfer(world)
    db.session.commit()
    upload = row(world)
    world.put(upload)
    world.store.fail("complete_upload", error)
    with pytest.raises(StoreUnknownOutcome):
        file.storage().multipart_commit_upload(**metadata)
    db.session.rollback()
    world.store.fail("complete_upload", error, after=True)
    assert file.storage().multipart_commit_upload(**metadata)
    db.session.commit()
    assert world.current(upload).state is State.COMPLETED


def test_commit_of_another_object_is_refused(world: World) -> None:
    file, metadata = transfer(world)
    db.session.commit()
    upload = row(world)
    world.put(upload)
    world.store.on(
        "complete_upload",
        lambda: world.store.put_object("files", upload.s3_key, b"short", stamp=upload.stamp),
        after=True,
    )
    with pytest.raises(UploadLost):
        file.storage().multipart_commit_upload(**metadata)


def test_commit_after_the_end(world: World) -> None:
    file, metadata = transfer(world)
    db.session.commit()
    upload = row(world)
    world.put(upload)
    world.clock.forward(hours=24)
    with pytest.raises(UploadExpired):
        file.storage().multipart_commit_upload(**metadata)
    file.storage().multipart_abort_upload(**metadata)
    with pytest.raises(UploadAborted):
        file.storage().multipart_commit_upload(**metadata)
    db.session.commit()


def test_hooks_refuse_what_cannot_be(world: World) -> None:
    file, metadata = transfer(world)
    db.session.commit()
    with pytest.raises(BadRequest, match="straight to the store"):
        file.storage().multipart_set_content(1, None, 1, **metadata)
    alone = FileInstance.create()
    storage = current_files_rest.storage_factory(fileinstance=alone, default_location="s3://files")
    with pytest.raises(BadRequest, match="a file version to belong to"):
        storage.multipart_initialize_upload(1, 1, None)
    version = ObjectVersion.create(world.bucket(), "plain")
    version.set_location("s3://files/plain", 1, "md5:0")
    db.session.flush()
    with pytest.raises(UploadNotFound):
        version.file.storage().multipart_links()

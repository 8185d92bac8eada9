# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""However a file's record goes away, its upload goes with it."""

from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa
from invenio_db import db
from invenio_files_rest.models import Bucket, ObjectVersion

from oarepo_s3.errors import StoreRetryLater
from oarepo_s3.records_resources.deletion import connect
from oarepo_s3.uploads.states import State
from tests.rdm import model

from .world import MIB, SIZE, RepositoryWorld, entry, files_path


def delete_file(world: RepositoryWorld, pid: str) -> Any:
    return world.act("DELETE", pid)


def delete_all_files(world: RepositoryWorld, pid: str) -> Any:
    return world.client()("DELETE", files_path(pid))


def delete_draft(world: RepositoryWorld, pid: str) -> Any:
    return world.client()("DELETE", f"/records/{pid}/draft")


WAYS = [delete_file, delete_all_files, delete_draft]
KEEPING_THE_DRAFT = [delete_file, delete_all_files]


@pytest.mark.parametrize("delete", WAYS)
@pytest.mark.parametrize("sent", [True, False])
def test_upload_ends_at_once(world: RepositoryWorld, pid: str, delete: Any, sent: bool) -> None:
    upload = world.sent(pid) if sent else world.opened(pid)
    assert delete(world, pid).status_code == 204
    world.nothing_left(pid, upload)


@pytest.mark.parametrize("delete", WAYS)
def test_store_that_is_down_is_cleared_later(world: RepositoryWorld, pid: str, delete: Any) -> None:
    upload = world.sent(pid)
    bucket_id = upload.bucket_id
    world.store.fail("abort_upload", StoreRetryLater("down"))
    assert delete(world, pid).status_code == 204
    assert world.current(upload).state is State.ABORTING
    bucket = db.session.get(Bucket, bucket_id, populate_existing=True)
    assert bucket is None or bucket.size == 0
    world.clock.forward(minutes=6)
    world.service.sweep()
    world.nothing_left(pid, upload)


@pytest.mark.parametrize("delete", KEEPING_THE_DRAFT)
@pytest.mark.parametrize("down", [True, False])
def test_key_is_free_again(world: RepositoryWorld, pid: str, delete: Any, down: bool) -> None:
    old = world.opened(pid)
    if down:
        world.store.fail("abort_upload", StoreRetryLater("down"))
    delete(world, pid)
    new = world.sent(pid, size=MIB)
    assert new.id != old.id
    assert world.act("POST", pid, "/commit").status_code == 200
    world.clock.forward(minutes=6)
    world.service.sweep()
    assert world.store.uploads() == []
    assert world.bucket(pid).size == MIB
    assert world.sizes_hold()


@pytest.mark.parametrize("delete", KEEPING_THE_DRAFT)
def test_key_of_a_deleted_file_is_free_again(world: RepositoryWorld, pid: str, delete: Any) -> None:
    world.sent(pid)
    world.act("POST", pid, "/commit")
    assert delete(world, pid).status_code == 204
    assert world.bucket(pid).size == 0
    upload = world.opened(pid)
    assert world.bucket(pid).size == SIZE
    delete(world, pid)
    assert world.bucket(pid).size == 0
    world.nothing_left(pid, upload)
    assert ObjectVersion.get(world.bucket(pid), "data.zip") is None


def test_only_that_file_goes(world: RepositoryWorld, pid: str) -> None:
    kept = world.sent(pid, key="kept")
    gone = world.opened(pid, key="gone")
    world.act("DELETE", pid, key="gone")
    assert world.current(gone).state is State.ABORTED
    assert world.act("POST", pid, "/commit", key="kept").status_code == 200
    assert world.current(kept).state is State.COMPLETED
    assert world.bucket(pid).size == SIZE


def test_all_of_many_go(world: RepositoryWorld, pid: str) -> None:
    keys = ["one", "two", "three"]
    world.init(pid, *map(entry, keys))
    uploads = [world.upload(pid, key) for key in keys]
    assert delete_draft(world, pid).status_code == 204
    for upload in uploads:
        world.nothing_left(pid, upload)


def test_deletion_that_is_rolled_back_ends_nothing(world: RepositoryWorld, pid: str) -> None:
    upload = world.opened(pid)
    draft = world.draft(pid)
    draft.files.delete("data.zip", remove_rf=True)
    db.session.rollback()
    assert world.current(upload) == upload
    assert [call for call in world.store.calls if call.name == "abort_upload"] == []


def test_deletion_that_is_committed_by_hand_ends_it(world: RepositoryWorld, pid: str) -> None:
    upload = world.opened(pid)
    world.draft(pid).files.clear()
    db.session.commit()
    world.nothing_left(pid, upload)


def test_failure_after_the_commit_is_left_to_the_sweep(
    world: RepositoryWorld, pid: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    upload = world.opened(pid)

    def fail(*_: Any) -> None:
        raise RuntimeError("no")

    with monkeypatch.context() as patch:
        patch.setattr(world.service._aborter, "finish_many", fail)
        assert world.act("DELETE", pid).status_code == 204
    assert "left to the next sweep" in caplog.text
    world.clock.forward(minutes=6)
    world.service.sweep()
    world.nothing_left(pid, upload)


def test_file_that_has_just_been_completed(world: RepositoryWorld, pid: str) -> None:
    """The record was read before the completion, and is deleted after it."""
    world.sent(pid)
    service = world.app.extensions["invenio-records-resources"].registry.get("draft-files")
    answers: list[Any] = []
    run = service.file_upload.delete_file

    def delete_late(*args: Any) -> Any:
        other = Thread(target=lambda: answers.append(world.act("POST", pid, "/commit")))
        other.start()
        other.join()
        return run(*args)

    service.file_upload.delete_file = delete_late
    world.alone = False
    answer = world.act("DELETE", pid)
    assert answers[0].status_code == 200
    assert (answer.status_code, answer.json["code"]) == (409, "upload_busy")
    service.file_upload.delete_file = run
    assert world.act("DELETE", pid).status_code == 204
    assert world.bucket(pid).size == 0
    assert world.sizes_hold()


@pytest.mark.parametrize("delete", WAYS)
@pytest.mark.parametrize("moment", ["complete_upload", "head_object"])
def test_deletion_while_completing(world: RepositoryWorld, pid: str, delete: Any, moment: str) -> None:
    upload = world.sent(pid)
    answers: list[Any] = []
    world.store.on(moment, lambda: answers.append(delete(world, pid)))
    done = world.act("POST", pid, "/commit")
    assert answers[0].status_code == 204
    assert (done.status_code, done.json["code"]) == (410, "upload_aborted")
    world.nothing_left(pid, upload)


def test_deletion_while_completing_beside_a_readable_version(world: RepositoryWorld, pid: str) -> None:
    version = ObjectVersion.create(world.bucket(pid), "data.zip")
    version.set_location("s3://files/old", 7, "md5:0")
    db.session.commit()
    upload = world.sent(pid)

    def forget() -> None:
        world.draft(pid).files.delete("data.zip", remove_obj=False, remove_rf=True)
        db.session.commit()

    world.store.on("complete_upload", forget)
    world.alone = False
    done = world.act("POST", pid, "/commit")
    assert (done.status_code, done.json["code"]) == (410, "upload_aborted")
    world.nothing_left(pid, upload)
    assert world.bucket(pid).size == 7


def test_deletion_just_after_completing(world: RepositoryWorld, pid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world.sent(pid)
    complete = world.service.complete

    def complete_and_lose(*args: Any) -> Any:
        completed = complete(*args)
        world.act("DELETE", pid)
        return completed

    monkeypatch.setattr(world.service, "complete", complete_and_lose)
    world.alone = False
    answer = world.act("POST", pid, "/commit")
    assert (answer.status_code, answer.json["code"]) == (404, "file_not_found")
    assert world.sizes_hold()


def test_pending_file_of_the_stock_transfer_can_be_deleted(world: RepositoryWorld, pid: str) -> None:
    world.opened(pid)
    db.session.execute(sa.text("DELETE FROM oarepo_s3_upload_events"))
    db.session.execute(sa.text("DELETE FROM oarepo_s3_uploads"))
    db.session.commit()
    assert world.act("POST", pid, "/commit").json["code"] == "upload_not_found"
    assert "parts" not in world.act("GET", pid).json["links"]
    assert world.act("DELETE", pid).status_code == 204


def test_file_record_without_a_version_can_be_deleted(world: RepositoryWorld, pid: str) -> None:
    draft = world.draft(pid)
    draft.files.create("bare", transfer={"type": "M"})
    db.session.commit()
    world.draft(pid).files.delete("bare", remove_rf=True)
    db.session.commit()
    assert world.rows() == []


def test_every_row_of_a_table_can_be_deleted(world: RepositoryWorld, pid: str) -> None:
    upload = world.opened(pid)
    db.session.query(model.DraftFileMetadata).delete()
    db.session.query(Bucket).filter_by(id=None).delete()
    db.session.commit()
    assert world.current(upload).state is State.ABORTED
    connect()
    assert world.sizes_hold()

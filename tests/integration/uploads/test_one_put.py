# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Uploads in one put: the same states, the same ends, and no multipart upload at the store."""

import base64
import hashlib
from typing import Any

import pytest
from invenio_db import db
from invenio_files_rest.models import FileInstance, ObjectVersion

from oarepo_s3.errors import (
    InvalidChecksum,
    InvalidPlan,
    InvalidSize,
    PartsMismatch,
    StoreRetryLater,
    UploadAborted,
    UploadBusy,
    UploadExists,
    UploadExpired,
)
from oarepo_s3.uploads.models import Upload
from oarepo_s3.uploads.opening import OpenRequest
from oarepo_s3.uploads.states import Event, State
from tests.integration.uploads.conftest import MIB, World

DATA = b"0123456789"


def md5(data: bytes = DATA) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def open_put(world: World, data: bytes = DATA, **facts: Any) -> Upload:
    return world.open(size=len(data), content_md5=md5(data), part_size=None, **facts)


def put(world: World, upload: Upload, data: bytes = DATA) -> None:
    world.store.put_object(upload.s3_bucket, upload.s3_key, data, content_type=upload.content_type)


def set_rule(world: World, **rules: Any) -> None:
    for name, value in rules.items():
        object.__setattr__(world.service.context.rules, name, value)


@pytest.mark.parametrize("data", [DATA, b""], ids=["bytes", "empty"])
def test_from_open_to_complete(world: World, data: bytes):
    upload = open_put(world, data)
    assert (upload.state, upload.s3_upload_id, upload.content_md5) == (State.OPEN, None, md5(data))
    assert world.store.calls == []
    session = world.service.session(upload)
    assert (session["parts"], session["parts_url"], session["parts_count"]) == ([], [], 1)
    assert session["part_size"] == session["size"] == len(data)
    assert session["put"]["headers"] == {
        "Content-Length": str(len(data)), "Content-MD5": md5(data), "Content-Type": "application/octet-stream"
    }  # fmt: skip
    assert world.bucket().size == len(data)
    put(world, upload, data)
    completed = world.service.complete(upload)
    assert world.service.complete(upload) == world.service.complete(completed) == completed
    file = world.file(upload)
    assert file is not None
    assert (file.readable, file.writable, file.size) == (True, False, len(data))
    assert file.checksum == f"md5:{hashlib.md5(data).hexdigest()}"
    assert world.events(upload) == ["created", "opened", "complete", "completed"]
    assert {call.name for call in world.store.calls} == {"head_object"}


def test_no_url_of_a_part_is_signed(world: World):
    upload = open_put(world)
    assert world.service.sign(upload, [1]) == []
    with pytest.raises(InvalidPlan):
        world.service.use_free_plan(upload)
    assert world.service.sign_put(world.open("parts")) is None
    world.clock.forward(days=2)
    for sign in (world.service.sign, world.service.sign_put):
        with pytest.raises(UploadExpired):
            sign(upload)


def test_url_does_not_outlive_the_upload(world: World):
    upload = open_put(world, expires=600)
    signed = world.service.sign_put(upload)
    assert signed is not None
    assert signed.expires_at == upload.expires_at
    assert signed.url not in repr(signed)
    assert "X-Amz-SignedHeaders=content-length%3Bcontent-md5%3Bcontent-type%3Bhost" in signed.url


def test_again_the_same_upload_and_what_has_arrived(world: World):
    first = world.opened(size=len(DATA), content_md5=md5(), part_size=None)
    upload = first.upload
    assert not first.resumed
    again = world.opened(size=len(DATA), content_md5=md5(), part_size=None)
    assert (again.upload, again.resumed) == (upload, True)
    report = world.service.parts(upload)
    assert (report.parts, report.missing) == ([], [(1, 1)])
    put(world, upload)
    report = world.service.parts(upload)
    assert [(part.number, part.size, part.etag) for part in report.parts] == [(1, 10, hashlib.md5(DATA).hexdigest())]
    assert report.missing == []
    put(world, upload, DATA[::-1])
    assert world.service.parts(upload).missing == [(1, 1)]


@pytest.mark.parametrize("facts", [{"content_md5": md5(DATA[::-1])}, {"content_md5": None}, {"fingerprint": "other"}])
def test_another_file_of_the_key_is_refused(world: World, facts: dict[str, Any]):
    open_put(world)
    with pytest.raises(UploadExists):
        world.opened(size=len(DATA), **({"content_md5": md5()} | facts), part_size=None)


def test_one_put_while_parts_are_pending_is_refused(world: World):
    world.open(size=len(DATA))
    with pytest.raises(UploadExists):
        open_put(world)


def test_what_goes_in_parts_all_the_same(world: World):
    def is_one_put(size: int, **facts: Any) -> bool:
        facts = {"part_size": None, "content_md5": md5()} | facts
        return world.service.plan_of(OpenRequest(world.bucket_id, "k", size, **facts)).content_md5 is not None

    assert is_one_put(16 * MIB)
    assert not is_one_put(16 * MIB + 1)
    assert not is_one_put(16 * MIB, content_md5=None)
    assert not is_one_put(6 * MIB, part_size=5 * MIB)
    assert is_one_put(6 * MIB, part_size=6 * MIB)
    assert not is_one_put(12 * MIB, parts_count=2)
    assert is_one_put(12 * MIB, parts_count=1)
    set_rule(world, one_put_limit=12)
    assert (is_one_put(12), is_one_put(13)) == (True, False)
    for off in ({"one_put_limit": 0}, {"one_put_limit": 12, "pin_content_length": False}):
        set_rule(world, **off)
        assert not is_one_put(12)
        with pytest.raises(InvalidSize):
            is_one_put(0)


@pytest.mark.parametrize("wrong", ["", "x", md5()[:-1], "\u017e" * 24, md5().rstrip("=") + "A=", md5() + "\n"])
def test_what_is_no_md5_is_refused(world: World, wrong: str):
    with pytest.raises(InvalidChecksum):
        world.open(size=len(DATA), content_md5=wrong)


def test_sizes_below_zero_are_refused(world: World):
    with pytest.raises(InvalidSize):
        world.open(size=-1, content_md5=md5(), part_size=None)


def test_declared_checksum_has_to_be_that_of_the_md5(world: World):
    with pytest.raises(InvalidChecksum):
        open_put(world, checksum="etag:" + "0" * 32)
    assert open_put(world, checksum=f"etag:{hashlib.md5(DATA).hexdigest()}").state is State.OPEN


def test_a_file_that_has_not_arrived_can_still_come(world: World):
    upload = open_put(world)
    with pytest.raises(PartsMismatch) as refused:
        world.service.complete(upload)
    assert refused.value.details == {"missing": [[1, 1]], "wrong": [], "size": 10, "stored_size": 0}
    put(world, upload)
    assert world.service.complete(world.current(upload)).state is State.COMPLETED


@pytest.mark.parametrize(
    ("data", "claimed", "problems"),
    [
        (DATA[::-1], {}, ["etag"]),
        (DATA + b"!", {}, ["size", "etag"]),
        (DATA, {1: "0" * 32}, ["etag"]),
        (DATA, {2: hashlib.md5(DATA).hexdigest()}, ["not in the plan"]),
        (DATA, {1: hashlib.md5(DATA).hexdigest()}, []),
    ],
)
def test_the_store_is_not_believed_what_it_should_have_refused(
    world: World, data: bytes, claimed: dict[int, str], problems: list[str]
):
    upload = open_put(world)
    put(world, upload, data)
    if not problems:
        assert world.service.complete(upload, claimed).state is State.COMPLETED
        return
    with pytest.raises(PartsMismatch) as refused:
        world.service.complete(upload, claimed)
    assert [wrong["problem"] for wrong in refused.value.details["wrong"]] == problems
    assert refused.value.details["missing"] == []
    assert world.current(upload).state is State.OPEN
    file = world.file(upload)
    assert file is not None
    assert not file.readable


def test_opaque_etags_are_not_compared_and_the_md5_is_the_checksum(world: World):
    set_rule(world, opaque_etags=True)
    upload = open_put(world)
    put(world, upload, DATA[::-1])
    assert world.service.parts(upload).missing == []
    world.service.complete(upload, {1: hashlib.md5(DATA[::-1]).hexdigest()})
    file = world.file(upload)
    assert file is not None
    assert file.checksum == f"md5:{hashlib.md5(DATA).hexdigest()}"


def test_store_in_trouble_leaves_it_open(world: World):
    upload = open_put(world)
    put(world, upload)
    world.store.fail("head_object", StoreRetryLater("busy"))
    with pytest.raises(StoreRetryLater):
        world.service.complete(upload)
    assert world.service.complete(world.current(upload)).state is State.COMPLETED


def claim(world: World, upload: Upload) -> Upload:
    """As a request does that dies right after."""
    claimed = world.service._completer._claim(upload, Event.COMPLETE, None)
    assert claimed is not None
    return claimed


@pytest.mark.parametrize("arrived", [True, False])
def test_interrupted_completion_is_settled(world: World, arrived: bool):
    upload = open_put(world)
    claim(world, upload)
    if arrived:
        put(world, upload)
    world.clock.forward(hours=1)
    report = world.service.reconcile()
    assert (report.completed, report.reopened, report.lost) == (int(arrived), int(not arrived), 0)
    assert world.current(upload).state is (State.COMPLETED if arrived else State.OPEN)


@pytest.mark.parametrize("arrived", [True, False])
def test_while_another_request_completes_it(world: World, arrived: bool):
    upload = open_put(world)
    claim(world, upload)
    if arrived:
        put(world, upload)
        assert world.service.complete(world.current(upload)).state is State.COMPLETED
    else:
        with pytest.raises(UploadBusy):
            world.service.complete(world.current(upload))


@pytest.mark.parametrize("end", ["abort", "expire"])
def test_ended_upload_leaves_nothing_and_is_looked_at_once_more(world: World, end: str):
    upload = open_put(world)
    put(world, upload)
    if end == "abort":
        assert world.service.abort(upload).state is State.ABORTED
    else:
        world.clock.forward(days=1)
        assert world.service.sweep().expired == 1
    world.nothing_left(upload)
    assert world.bucket().size == 0
    put(world, upload)  # by a URL that is still alive
    world.clock.forward(minutes=30)
    due = world.current(upload).due_at
    assert due is not None
    assert world.service.sweep().rechecked == (end == "expire")
    world.clock.now = max(world.clock.now, due)
    world.service.sweep()
    world.nothing_left(upload)
    assert world.current(upload).due_at is None


def test_object_that_keeps_coming_holds_up_the_end(world: World):
    upload = open_put(world)
    world.store.on("delete_object", lambda: put(world, upload), after=True, times=3)
    with pytest.raises(StoreRetryLater):
        world.service.abort(upload)
    assert world.current(upload).state is State.ABORTING
    world.clock.forward(hours=1)
    assert world.service.sweep().aborted == 1
    world.nothing_left(upload)


@pytest.mark.parametrize("deleted", [True, False])
def test_object_that_comes_back_after_its_file_was_deleted_goes(world: World, deleted: bool):
    upload = open_put(world)
    put(world, upload)
    completed = world.service.complete(upload)
    if deleted:
        db.session.query(ObjectVersion).filter_by(version_id=upload.version_id).delete()
        db.session.query(FileInstance).filter_by(id=upload.file_id).delete()
        db.session.commit()
        put(world, upload)  # once more, by the same URL
    assert completed.due_at is not None
    world.clock.now = completed.due_at
    assert world.service.sweep().rechecked == 1
    assert [key for _, key in world.store.objects()] == ([] if deleted else [upload.s3_key])
    assert world.current(upload).due_at is None
    assert world.service.sweep().rechecked == 0


def test_file_deleted_while_completing(world: World):
    upload = open_put(world)
    put(world, upload)

    def delete() -> None:
        ObjectVersion.delete(world.bucket_id, "data.zip")
        db.session.commit()

    world.store.on("head_object", delete, after=True)
    with pytest.raises(UploadAborted):
        world.service.complete(upload)
    world.nothing_left(upload)


def test_no_orphan_is_seen_in_one_that_has_not_arrived(world: World):
    open_put(world)
    world.clock.forward(hours=1)
    assert world.service.reconcile(s3_buckets=["files"]).missing == []


def test_previous_version_stays_until_it_is_complete(world: World):
    before = world.add_file()
    upload = open_put(world)
    head = world.head()
    assert head is not None
    assert head.version_id == before
    put(world, upload)
    world.service.complete(upload)
    head = world.head()
    assert head is not None
    assert head.version_id == upload.version_id

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""An upload from opening to its end, over the fake store and both databases."""

import pytest
from invenio_db import db
from invenio_files_rest.models import ObjectVersion

from oarepo_s3.errors import (
    BucketLocked,
    InvalidKey,
    PartsMismatch,
    QuotaExceeded,
    UploadAborted,
    UploadCompleted,
    UploadExists,
    UploadExpired,
    UploadNotFound,
)
from oarepo_s3.uploads.integrity import composite_etag
from oarepo_s3.uploads.states import State

from .conftest import MIB, World


def test_open_reserves_and_hides(world: World) -> None:
    upload = world.open()
    assert (upload.state, upload.parts_count, upload.plan.size_of(3)) == (State.OPEN, 3, 2 * MIB)
    file, head = world.file(upload), world.head()
    assert file is not None
    assert head is not None
    assert (file.readable, file.writable, file.checksum, file.size) == (False, True, None, 12 * MIB)
    assert head.version_id == upload.version_id
    assert world.bucket().size == 12 * MIB
    assert [found.stamp for found in world.store.uploads()] == [str(upload.id)]
    assert world.owner.told == [("opened", "data.zip")]
    assert world.events(upload) == ["created", "opened"]


def test_complete_publishes(world: World) -> None:
    upload = world.open()
    world.put(upload)
    etags = [part.etag for part in world.service.parts(upload).parts]
    completed = world.service.complete(upload, dict(enumerate(etags, 1)))
    assert completed.state is State.COMPLETED
    file = world.file(upload)
    assert file is not None
    assert (file.readable, file.writable, file.size) == (True, False, 12 * MIB)
    assert file.checksum == f"multipart:{composite_etag(etags)}-{5 * MIB}"
    assert world.bucket().size == 12 * MIB
    assert world.store.uploads() == []
    assert world.owner.told == [("opened", "data.zip"), ("completed", "data.zip")]


def test_every_call_may_be_repeated(world: World) -> None:
    first, again = world.opened(), world.opened()
    assert again.upload == first.upload
    assert (first.resumed, again.resumed) == (False, True)
    upload = first.upload
    world.put(upload)
    completed = world.service.complete(upload)
    assert world.service.complete(world.current(upload)) == world.current(upload)
    assert world.service.complete(upload).etag == completed.etag
    with pytest.raises(UploadCompleted):
        world.service.abort(world.current(upload))
    other = world.open("other.zip")
    aborted = world.service.abort(other)
    assert world.service.abort(world.current(other)).state is aborted.state is State.ABORTED
    assert [call.name for call in world.store.calls].count("create_upload") == 2


@pytest.mark.parametrize(
    "change",
    [{"size": 13 * MIB}, {"part_size": 6 * MIB}, {"fingerprint": "sha256:1"}],
    ids=lambda change: next(iter(change)),
)
def test_open_again_for_something_else_is_refused(world: World, change: dict[str, object]) -> None:
    upload = world.open()
    with pytest.raises(UploadExists):
        world.open(**change)  # type: ignore[arg-type]
    assert world.current(upload).state is State.OPEN
    assert world.bucket().size == 12 * MIB


def test_previous_version_stays_until_completion(world: World) -> None:
    old = world.add_file()
    upload = world.open()
    assert (head := world.head()) is not None
    assert head.version_id == old
    assert world.bucket().size == 7 + 12 * MIB
    world.put(upload)
    world.service.complete(upload)
    assert (head := world.head()) is not None
    assert head.version_id == upload.version_id
    assert world.bucket().size == 7 + 12 * MIB


def test_abort_leaves_nothing(world: World) -> None:
    old = world.add_file()
    upload = world.open()
    world.put(upload, 1)
    world.service.abort(upload)
    world.nothing_left(upload)
    assert (head := world.head()) is not None
    assert head.version_id == old
    assert world.bucket().size == 7
    with pytest.raises(UploadAborted):
        world.service.complete(world.current(upload))


def test_abort_puts_a_delete_marker_back(world: World) -> None:
    world.add_file()
    marker = ObjectVersion.delete(world.bucket(), "data.zip").version_id
    db.session.commit()
    upload = world.open()
    assert upload.previous_head_id == marker
    world.service.abort(upload)
    world.nothing_left(upload)
    assert world.head() is None
    heads = db.session.query(ObjectVersion).filter_by(key="data.zip", is_head=True).all()
    assert [version.version_id for version in heads] == [marker]


def test_abort_gives_no_head_to_a_key_that_had_none(world: World) -> None:
    world.add_file()
    newest = world.add_file()
    db.session.get(ObjectVersion, newest).remove()
    db.session.commit()
    assert world.head() is None
    world.service.abort(world.open())
    assert world.head() is None


def test_abort_keeps_a_file_that_got_its_content_by_other_means(world: World) -> None:
    upload = world.open()
    file = world.file(upload)
    assert file is not None
    file.readable, file.checksum = True, "md5:0"
    db.session.commit()
    assert world.service.abort(upload).state is State.ABORTED
    file, head = world.file(upload), world.head()
    assert file is not None
    assert head is not None
    assert (file.readable, file.checksum, head.version_id) == (True, "md5:0", upload.version_id)
    assert world.bucket().size == upload.size
    assert world.store.uploads() == []


def test_missing_and_wrong_parts_are_named_and_can_be_repaired(world: World) -> None:
    upload = world.open()
    world.put_size(upload, 1, 5 * MIB)
    world.put_size(upload, 3, 1 * MIB)
    with pytest.raises(PartsMismatch) as refused:
        world.service.complete(upload)
    assert refused.value.details["missing"] == [[2, 2]]
    assert refused.value.details["wrong"] == [{"part": 3, "problem": "size", "expected": 2 * MIB, "found": MIB}]
    assert world.current(upload).state is State.OPEN
    world.put(upload, 2, 3)
    assert world.service.complete(world.current(upload)).state is State.COMPLETED


def test_claimed_etag_that_differs_is_refused(world: World) -> None:
    upload = world.open()
    world.put(upload)
    with pytest.raises(PartsMismatch) as refused:
        world.service.complete(upload, {2: "0" * 32})
    assert [wrong["problem"] for wrong in refused.value.details["wrong"]] == ["etag"]


def test_declared_checksum_is_compared(world: World) -> None:
    upload = world.open(checksum=f"multipart:{'0' * 32}-3-{5 * MIB}")
    world.put(upload)
    with pytest.raises(PartsMismatch) as refused:
        world.service.complete(upload)
    assert [wrong["problem"] for wrong in refused.value.details["wrong"]] == ["checksum"]


def test_expired_upload_cannot_be_used_and_heals_by_itself(world: World) -> None:
    upload = world.open()
    world.put(upload)
    world.clock.forward(hours=24)
    for use in (world.service.complete, world.service.sign):
        with pytest.raises(UploadExpired):
            use(upload)
    again = world.opened(size=13 * MIB)
    assert not again.resumed
    assert world.bucket().size == 13 * MIB
    assert world.current(upload).state is State.ABORTED
    assert world.events(upload) == ["created", "opened", "expire", "aborted"]


def test_quota_is_reserved(world: World) -> None:
    world.bucket().quota_size = 20 * MIB
    db.session.commit()
    first = world.open()
    with pytest.raises(QuotaExceeded) as refused:
        world.open("more.zip")
    assert refused.value.details["limit"] == 8 * MIB
    world.service.abort(first)
    assert world.open("more.zip").state is State.OPEN


def test_file_size_limit(world: World) -> None:
    world.bucket().max_file_size = 11 * MIB
    db.session.commit()
    with pytest.raises(QuotaExceeded):
        world.open()
    assert world.store.calls == []
    assert world.bucket().size == 0


@pytest.mark.parametrize("flag", ["locked", "deleted"])
def test_bucket_that_takes_no_files(world: World, flag: str) -> None:
    setattr(world.bucket(), flag, True)
    db.session.commit()
    with pytest.raises(BucketLocked):
        world.open()


@pytest.mark.parametrize("key", ["", ".", "..", "a/../b", "/a", "a\0b", "a\nb", "x" * 256, "\ud800"])
def test_keys_that_cannot_be_reached(world: World, key: str) -> None:
    with pytest.raises(InvalidKey):
        world.open(key)
    assert world.store.calls == []


@pytest.mark.parametrize("key", ['a/b c/ž"ů?.zip', "e\u0301", "\u00e9", "\U0001f4be" * 255, "a//b", "...", "a/", " "])
def test_any_other_key_works_and_is_not_at_the_store(world: World, key: str) -> None:
    upload = world.open(key)
    assert upload.s3_key.isascii()
    world.put(upload)
    world.service.complete(upload)
    assert (head := world.head(key)) is not None
    assert head.file.readable


def test_uploads_of_others_are_not_found(world: World) -> None:
    upload = world.open()
    other = world.open("other.zip")
    for key, public_id in [("data.zip", other.public_id), ("nope", None), ("nope", upload.public_id)]:
        with pytest.raises(UploadNotFound):
            world.service.find(world.bucket_id, key, public_id)


def test_file_of_5_tib(world: World) -> None:
    size = 5 * 2**40
    upload = world.open(size=size, part_size=None)
    assert upload.parts_count <= 10_000
    world.put(upload)
    assert world.service.complete(upload).state is State.COMPLETED
    assert (file := world.file(upload)) is not None
    assert file.size == size

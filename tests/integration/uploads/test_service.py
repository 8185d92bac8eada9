# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The table of states in a database, and calls of the service that come at a bad moment."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from invenio_db import db
from invenio_files_rest.models import ObjectVersion

from oarepo_s3.api import MultipartUpload
from oarepo_s3.errors import (
    IllegalTransition,
    InvalidPartNumber,
    OARepoS3Error,
    PartsMismatch,
    StoreRetryLater,
    StoreUnknownOutcome,
    StoreUploadGone,
    UploadBusy,
    UploadLost,
    UploadNotFound,
)
from oarepo_s3.uploads import sessions
from oarepo_s3.uploads.aborting import Aborter
from oarepo_s3.uploads.models import Upload, UploadEvent, UploadSession
from oarepo_s3.uploads.states import TRANSITIONS, Event, State

from .conftest import MIB, ON_POSTGRESQL, World
from .test_sweep import interrupt_completion, interrupt_opening

# the table of states, in a database -----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(State))
def test_every_event_in_every_state(world: World, state: State) -> None:
    upload = world.open()
    for event in Event:
        reset_to(upload, state)
        before = row_and_events(upload)
        if (state, event) in TRANSITIONS:
            with sessions.transaction() as session:
                moved = sessions.advance(session, replace(upload, state=state), event, world.clock(), actor="me")
            assert moved.state is TRANSITIONS[state, event]
            assert world.current(upload).state is moved.state
            last = db.session.query(UploadEvent).order_by(UploadEvent.id.desc()).first()
            assert (last.event, last.from_state, last.to_state, last.actor) == (event, state, moved.state, "me")
        else:
            with pytest.raises(IllegalTransition), sessions.transaction() as session:
                sessions.advance(session, replace(upload, state=state), event, world.clock(), actor="me", size=1)
            assert row_and_events(upload) == before


def reset_to(upload: Upload, state: State) -> None:
    table = UploadSession.__table__
    slot = upload.slot if state not in ("completed", "aborted", "failed", "lost") else None
    db.session.execute(sa.update(table).where(table.c.id == upload.id).values(state=state, active_slot=slot))
    db.session.commit()


def row_and_events(upload: Upload) -> tuple[Any, int]:
    db.session.commit()
    table = UploadSession.__table__
    row = db.session.execute(sa.select(table).where(table.c.id == upload.id)).one()
    return tuple(row), db.session.query(UploadEvent).filter_by(upload_id=upload.id).count()


# calls that come at a bad moment --------------------------------------------------------------------------------------


@ON_POSTGRESQL
def test_reader_that_sees_an_upload_just_before_it_is_open(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_opening(world)
    real, seen = sessions.get_active, []

    def get_active(session: Any, slot: str) -> Upload | None:
        found = real(session, slot)
        if found is not None and found.state is State.OPENING and not seen:
            seen.append(found)
            with db.engine.begin() as other:  # the one who was opening it has got its answer
                sessions.advance(
                    other, found, Event.OPENED, world.clock(), s3_upload_id="late", due_at=found.expires_at
                )
        return found

    monkeypatch.setattr(sessions, "get_active", get_active)
    opened = world.opened()
    assert seen
    assert (opened.resumed, opened.upload.state, opened.upload.s3_upload_id) == (True, State.OPEN, "late")


def test_key_that_others_keep_taking_is_answered_in_the_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.open()
    world.clock.forward(days=1)
    monkeypatch.setattr(Aborter, "clear_away", lambda *_: None)
    with pytest.raises(UploadBusy):
        world.open()


@pytest.mark.parametrize("found", ["gone", "orphaned"])
def test_abort_of_an_interrupted_completion_that_settles_itself(world: World, found: str) -> None:
    upload = interrupt_completion(world, joined=found == "orphaned")
    if found == "gone":
        world.store.abort_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
    else:
        ObjectVersion.delete(world.bucket(), "data.zip")
        db.session.commit()
    world.clock.forward(seconds=301)
    ended = world.service.abort(world.current(upload))
    assert ended.state is (State.LOST if found == "gone" else State.ABORTED)
    world.nothing_left(upload)
    assert world.bucket().size == 0


def test_abort_of_an_interrupted_completion_that_is_open_again(world: World) -> None:
    upload = interrupt_completion(world)
    assert world.service.abort(world.current(upload)).state is State.ABORTED
    world.nothing_left(upload)


# sizes that the client chooses ----------------------------------------------------------------------------------------


def free(world: World, *sizes: int, **facts: Any) -> Upload:
    """An upload whose client has put parts of sizes of its own."""
    upload = world.service.use_free_plan(world.open(size=sum(sizes), **facts))
    for number, size in enumerate(sizes, 1):
        world.put_size(upload, number, size)
    return upload


@pytest.mark.parametrize(
    ("sizes", "suffix"), [((6 * MIB, 6 * MIB), f"-{6 * MIB}"), ((7 * MIB, MIB), f"-{7 * MIB}"), ((3,), "-3")]
)
def test_free_sizes_are_kept_in_the_checksum(world: World, sizes: tuple[int, ...], suffix: str) -> None:
    upload = free(world, *sizes)
    assert upload.parts_count == 10_000
    assert world.service.use_free_plan(upload) == upload
    assert world.service.parts(upload).missing == []
    assert world.service.complete(upload).state is State.COMPLETED
    assert (file := world.file(upload)) is not None
    assert file.checksum is not None
    assert file.checksum.startswith("multipart:")
    assert file.checksum.endswith(suffix)


@pytest.mark.parametrize("settled", ["lost answer", "gone", "reconciled"])
def test_unknown_sizes_are_not_invented_in_the_checksum(world: World, settled: str) -> None:
    upload = free(world, 6 * MIB, 6 * MIB)
    error = StoreUploadGone("gone") if settled == "gone" else StoreUnknownOutcome("cut")
    world.store.fail("complete_upload", error, after=True)
    if settled == "reconciled":
        world.store.fail("head_object", StoreRetryLater("busy"))
        with pytest.raises(StoreRetryLater):
            world.service.complete(upload)
        world.clock.forward(seconds=901)
        assert world.service.reconcile().completed == 1
    else:
        world.service.complete(upload)
    assert (file := world.file(upload)) is not None
    assert file.readable
    etag = world.store.objects()[upload.s3_bucket, upload.s3_key].etag
    # The sizes of the parts are not known any more: only the store can tell, or the sizes that were really put.
    assert file.checksum in (f"etag:{etag}", f"multipart:{etag}-{6 * MIB}")


def test_free_sizes_that_are_not_equal(world: World) -> None:
    upload = free(world, 6 * MIB, 7 * MIB)
    with pytest.raises(PartsMismatch):
        world.service.complete(upload)
    object.__setattr__(world.service.context.rules, "equal_parts", False)
    world.service.complete(world.current(upload))
    assert (file := world.file(upload)) is not None
    assert (file.checksum or "").startswith("etag:")


def test_opening_again_after_the_client_chose_its_sizes_resumes(world: World) -> None:
    upload = world.service.use_free_plan(world.open())
    again = world.opened(part_size=5 * MIB)
    assert (again.resumed, again.upload.id) == (True, upload.id)


def test_free_plan_of_an_upload_that_has_just_moved(world: World) -> None:
    upload = world.open()
    world.store.on("list_parts", lambda: None)
    stale = replace(upload, claims=upload.claims + 1)
    assert world.service.use_free_plan(stale).free_plan
    ended = world.service.abort(world.current(upload))
    for gone in (ended, replace(upload, claims=7)):
        with pytest.raises(Exception, match="aborted"):
            world.service.use_free_plan(gone)


# more than one look at the same thing ---------------------------------------------------------------------------------


def test_object_of_the_wrong_size_is_lost_when_settled(world: World) -> None:
    upload = interrupt_completion(world, joined=True)
    world.store.put_object(upload.s3_bucket, upload.s3_key, b"short", stamp=upload.stamp)
    world.clock.forward(seconds=901)
    assert world.service.reconcile().lost == 1
    world.nothing_left(upload)
    with pytest.raises(UploadLost):
        world.service.complete(world.current(upload))


@pytest.mark.parametrize("declared", ["multipart:{etag}-5242880", "etag:{etag}"])
def test_declared_checksum_that_is_true(world: World, declared: str) -> None:
    other = world.open("other.zip")
    world.put(other)
    etag = world.service.complete(other).etag
    upload = world.open(checksum=declared.format(etag=etag))
    world.put(upload)
    assert world.service.complete(upload).etag == etag


def each_end(world: World) -> list[Callable[[], Upload]]:
    return [lambda: world.service.abort(world.open("aborted")), lambda: world.service.complete(filled(world))]


def filled(world: World) -> Upload:
    upload = world.open("completed")
    world.put(upload)
    return upload


def test_ended_uploads_list_no_parts_and_ask_nobody(world: World) -> None:
    for end in each_end(world):
        upload = end()
        calls = len(world.store.calls)
        report = world.service.parts(upload)
        assert list(report.parts) == []
        assert bool(report.missing) is (upload.state is State.ABORTED)
        assert len(world.store.calls) == calls


# signing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("number", [0, 4, -1])
def test_no_url_for_a_part_that_is_not_planned(world: World, pinned: bool, number: int) -> None:
    object.__setattr__(world.service.context.rules, "pin_content_length", pinned)
    upload = world.open()
    with pytest.raises(InvalidPartNumber):
        world.service.sign(upload, [1, number])


@pytest.mark.parametrize(
    ("pinned", "chosen", "signed"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_length_is_signed_where_it_is_known(world: World, pinned: bool, chosen: bool, signed: bool) -> None:
    object.__setattr__(world.service.context.rules, "pin_content_length", pinned)
    upload = world.open()
    if chosen:
        upload = world.service.use_free_plan(upload)
    urls = [part.url for part in world.service.sign(upload, iter([3, 1]))]
    assert [parse_qs(urlsplit(url).query)["partNumber"] for url in urls] == [["3"], ["1"]]
    assert [("content-length" in url) for url in urls] == [signed, signed]


def test_first_urls_and_their_life(world: World) -> None:
    object.__setattr__(world.service.context.rules, "urls_per_answer", 2)
    upload = world.open(expires=60)
    signed = world.service.sign(upload)
    assert [part.number for part in signed] == [1, 2]
    assert {part.expires_at for part in signed} == {upload.expires_at}
    session = world.service.session(upload, [2], sign_url="https://x/sign")
    assert [part["part"] for part in session["parts"]] == [2]
    assert session["sign_url"] == "https://x/sign"


def test_ended_upload_gets_no_urls(world: World) -> None:
    for end in each_end(world):
        with pytest.raises(OARepoS3Error):
            world.service.sign(end())


# which version is head ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("between", ["another version", "deletion"])
@pytest.mark.parametrize("inside", [True, False], ids=["assigned", "opened"])
def test_next_upload_keeps_the_head_whatever_came_when(world: World, between: str, inside: bool) -> None:
    world.add_file()
    upload = world.open()
    world.put(upload)
    if between == "another version":
        world.add_file()
    else:
        ObjectVersion.delete(world.bucket(), "data.zip")
        db.session.commit()
    world.service.complete(upload)
    size = world.bucket().size
    if inside:
        ObjectVersion.create(world.bucket_id, "data.zip", stream=MultipartUpload("data.zip", size=5))
        db.session.commit()
    else:
        world.open()
    assert (head := world.head()) is not None
    assert head.version_id == upload.version_id
    world.service.abort(world.service.find(world.bucket_id, "data.zip"))
    assert (head := world.head()) is not None
    assert head.version_id == upload.version_id
    assert world.bucket().size == size


# finding --------------------------------------------------------------------------------------------------------------


def test_pending_upload_goes_before_those_that_have_ended(world: World) -> None:
    assert world.service.find_pending(world.bucket_id, "data.zip") is None
    first = world.service.abort(world.open())
    world.clock.forward(seconds=1)
    second = world.service.abort(world.open())
    assert world.service.find(world.bucket_id, "data.zip") == second
    assert world.service.find_pending(world.bucket_id, "data.zip") is None
    third = world.open()
    assert world.service.find(world.bucket_id, "data.zip") == third
    assert world.service.find_pending(world.bucket_id, "data.zip") == third
    assert world.service.find(world.bucket_id, "data.zip", first.public_id) == first
    assert world.service.of_file(third.file_id) == third
    with pytest.raises(UploadNotFound):
        world.service.of_file(world.bucket_id)

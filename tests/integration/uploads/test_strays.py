# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Uploads at the store whose creation went unanswered: they go away whatever becomes of the one that was kept."""

import pytest
from invenio_db import db

from oarepo_s3.errors import StoreUnknownOutcome, StoreUploadGone, UploadLost
from oarepo_s3.uploads import sessions
from oarepo_s3.uploads.models import Upload
from oarepo_s3.uploads.requests import OpenRequest
from oarepo_s3.uploads.states import State

from .conftest import MIB, World


def opened_at_second_try(world: World) -> Upload:
    """An open upload, and a stray of the first try at the store."""
    world.store.fail("create_upload", StoreUnknownOutcome("cut"), after=True)
    with pytest.raises(StoreUnknownOutcome):
        world.open()
    upload = world.open()
    assert len(world.store.uploads()) == 2
    return upload


def test_stray_of_a_completed_upload_is_swept_and_the_object_stays(world: World) -> None:
    upload = opened_at_second_try(world)
    world.put(upload)
    completed = world.service.complete(upload)
    assert world.service.sweep().rechecked == 0
    world.clock.forward(days=2)
    assert world.service.sweep().rechecked == 1
    assert world.store.uploads() == []
    assert (world.store.head_object(upload.s3_bucket, upload.s3_key)) is not None
    assert world.service.complete(completed).state is State.COMPLETED
    assert (file := world.file(upload)) is not None
    assert file.readable
    world.clock.forward(days=2)
    assert world.service.sweep().rechecked == 0


def test_own_upload_of_a_completed_one_is_never_aborted(world: World) -> None:
    upload = opened_at_second_try(world)
    world.put(upload)
    world.service.complete(upload)
    world.clock.forward(days=2)
    calls = len(world.store.calls)
    world.service.sweep()
    aborted = [call.args[2] for call in world.store.calls[calls:] if call.name == "abort_upload"]
    assert len(aborted) == 1
    assert upload.s3_upload_id not in aborted


def test_stray_of_a_lost_upload_is_swept(world: World) -> None:
    upload = opened_at_second_try(world)
    world.put(upload)
    world.store.abort_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
    world.store.fail("complete_upload", StoreUploadGone("gone"))
    with pytest.raises(UploadLost):
        world.service.complete(upload)
    world.clock.forward(days=2)
    assert world.service.sweep().rechecked == 1
    assert world.store.uploads() == []


def test_completed_upload_without_strays_is_not_looked_at_again(world: World) -> None:
    upload = world.open()
    world.put(upload)
    assert world.service.complete(upload).due_at is None


def test_stray_noted_by_another_request_is_not_forgotten(world: World) -> None:
    def other_request_dies() -> None:
        """It goes on with the row, the store opens a second upload, and nobody hears of it."""
        world.store.fail("create_upload", StoreUnknownOutcome("cut"), after=True)
        with pytest.raises(StoreUnknownOutcome):
            world.open()

    world.store.on("create_upload", other_request_dies)
    upload = world.open()
    assert len(world.store.uploads()) == 2
    assert world.current(upload).may_have_strays
    world.service.abort(world.current(upload))
    world.nothing_left(upload)


def opened_and_read_late(world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[Upload, list[Upload]]:
    """An open upload, and its row as it was before, which whoever looks next is shown instead."""
    seen: list[Upload] = []
    world.store.on("create_upload", lambda: seen.append(world.service.find(world.bucket_id, "data.zip")))
    upload = world.open()
    assert [stale.state for stale in seen] == [State.OPENING]
    get_active = sessions.get_active
    monkeypatch.setattr(sessions, "get_active", lambda *arguments: seen.pop() if seen else get_active(*arguments))
    return upload, seen


def test_open_that_finds_the_row_changed_under_its_hands_looks_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, seen = opened_and_read_late(world, monkeypatch)
    again = world.opened()
    assert not seen
    assert again.resumed
    assert again.upload.id == upload.id
    assert len(world.store.uploads()) == 1


def test_claim_that_finds_the_row_changed_under_its_hands_takes_it_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, seen = opened_and_read_late(world, monkeypatch)
    claimed = world.service.claim_within(OpenRequest(world.bucket_id, "data.zip", 12 * MIB, part_size=5 * MIB))
    db.session.commit()
    assert not seen
    assert claimed.resumed
    assert (claimed.upload.id, claimed.upload.state) == (upload.id, State.OPEN)
    assert not world.current(upload).may_have_strays

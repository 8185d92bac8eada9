# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The initialisation after an upload that is over, and in the midst of faults."""

import hashlib
from typing import Any

import pytest
from invenio_db import db
from invenio_files_rest.models import ObjectVersion

from oarepo_s3.errors import StoreRefused, StoreRetryLater, StoreUnknownOutcome
from oarepo_s3.uploads.states import State

from .world import MIB, SIZE, RepositoryWorld, entry, entry_of, files_path

MD5 = hashlib.md5(b"", usedforsecurity=False).hexdigest()


class Killed(BaseException):
    """Stands for the death of the process: nothing catches it."""


def parts_of(answer: Any, key: str = "data.zip") -> list[int]:
    return [part["part"] for part in entry_of(answer, key)["links"].get("parts", [])]


# what is over ---------------------------------------------------------------------------------------------------------


def test_expired_upload_makes_way_for_a_new_one(world: RepositoryWorld, pid: str) -> None:
    old = world.sent(pid)
    world.clock.forward(days=2)
    answer = world.init(pid, entry(size=MIB))
    assert answer.status_code == 201, answer.json
    new = world.upload(pid)
    assert new.version_id != old.version_id
    assert entry_of(answer)["version_id"] == str(new.version_id)
    assert world.bucket(pid).size == MIB
    assert len(world.rows()) == 1
    assert len(world.store.uploads()) == 2  # the old one is left to the sweep
    assert world.service.sweep().expired == 1
    assert len(world.store.uploads()) == 1
    world.put_parts(new)
    assert world.act("POST", pid, "/commit").status_code == 200
    assert world.sizes_hold()


def test_upload_that_is_being_cleared_away_makes_way(world: RepositoryWorld, pid: str) -> None:
    world.opened(pid)
    world.store.fail("abort_upload", StoreRetryLater("busy"))
    assert world.act("DELETE", pid).status_code == 204
    old = world.upload(pid)
    assert old.state is State.ABORTING
    assert world.init(pid).status_code == 201
    new = world.upload(pid)
    assert new.id != old.id
    world.clock.forward(minutes=6)
    world.service.sweep()
    assert [one.upload_id for one in world.store.uploads()] == [new.s3_upload_id]
    assert world.bucket(pid).size == SIZE
    assert world.sizes_hold()


def test_upload_that_is_completing_does_not(world: RepositoryWorld, pid: str) -> None:
    world.sent(pid)
    answers: list[Any] = []
    world.store.on("complete_upload", lambda: answers.append(world.init(pid)))
    assert world.act("POST", pid, "/commit").status_code == 200
    assert (answers[0].status_code, answers[0].json["code"]) == (409, "upload_busy")


def test_previous_version_is_what_it_was(world: RepositoryWorld, pid: str) -> None:
    """A readable version without a file record, as a copy into the bucket leaves it."""
    version = ObjectVersion.create(world.bucket(pid), "data.zip")
    version.set_location("s3://files/old", 7, "md5:0")
    db.session.commit()
    version_id = version.version_id
    world.opened(pid)
    assert ObjectVersion.get(world.bucket(pid), "data.zip").version_id == version_id
    world.clock.forward(days=2)
    world.service.sweep()
    assert [row.version_id for row in world.versions()] == [version_id]
    assert world.bucket(pid).size == 7
    world.sent(pid)
    world.act("POST", pid, "/commit")
    assert ObjectVersion.get(world.bucket(pid), "data.zip").version_id == world.upload(pid).version_id
    assert world.bucket(pid).size == 7 + SIZE
    assert world.sizes_hold()


# faults ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [StoreRefused("no"), StoreRetryLater("busy"), StoreUnknownOutcome("cut")], ids=lambda error: error.code
)
@pytest.mark.parametrize("lost_answer", [False, True])
def test_batch_is_opened_as_a_whole_or_not_at_all(
    world: RepositoryWorld, pid: str, error: Any, lost_answer: bool
) -> None:
    calls = iter([None, error])

    def fail_second() -> None:
        if (planned := next(calls)) is not None:
            raise planned

    world.store.on("create_upload", fail_second, after=lost_answer, times=2)
    answer = world.init(pid, entry("one"), entry("two"), entry("three"))
    assert (answer.status_code, answer.json["code"]) == (503, error.code)
    assert answer.headers["Retry-After"]
    assert (world.rows(), world.versions(), world.instances()) == ([], [], [])
    assert world.bucket(pid).size == 0
    world.clock.forward(days=2)
    world.service.reconcile()
    world.service.sweep()
    if not lost_answer or not isinstance(error, StoreRefused | StoreRetryLater):
        assert world.store.uploads() == []
    assert world.init(pid, entry("one"), entry("two"), entry("three")).status_code == 201


def test_batch_that_the_store_cannot_even_take_back(world: RepositoryWorld, pid: str) -> None:
    world.store.on("create_upload", lambda: world.store.fail("create_upload", StoreRetryLater("busy")))
    world.store.fail("abort_upload", StoreRetryLater("busy"))
    answer = world.init(pid, entry("one"), entry("two"))
    assert answer.status_code == 503
    assert world.rows() == []
    assert world.bucket(pid).size == 0
    assert len(world.store.uploads()) == 1
    world.service.sweep()
    assert world.store.uploads() == []


def test_bad_one_of_a_batch_stops_it_before_the_store(world: RepositoryWorld, pid: str) -> None:
    answer = world.init(pid, entry("one"), entry("two", 0))
    assert answer.status_code == 400
    assert world.rows() == []
    assert not [call for call in world.store.calls if call.name == "create_upload"]


def test_what_was_pending_before_a_failed_batch_stays(world: RepositoryWorld, pid: str) -> None:
    upload = world.opened(pid, key="one")
    world.store.fail("create_upload", StoreRetryLater("busy"))
    assert world.init(pid, entry("one"), entry("two")).status_code == 503
    assert world.current(upload).state is State.OPEN
    assert [row.key for row in world.rows()] == ["one"]
    assert world.bucket(pid).size == SIZE


@pytest.mark.parametrize("after", [False, True], ids=["before the store", "after the store"])
def test_death_between_database_and_store_is_mended_by_the_next_call(
    world: RepositoryWorld, pid: str, after: bool
) -> None:
    die(world, "create_upload", after)
    with pytest.raises(Killed):
        world.init(pid)
    assert world.upload(pid).state is State.OPENING
    pending = world.act("GET", pid)
    assert pending.status_code == 200
    assert "parts" not in pending.json["links"]
    busy = world.act("POST", pid, "/commit")
    assert (busy.status_code, busy.json["code"]) == (409, "upload_busy")
    answer = world.init(pid)
    assert answer.status_code == 201, answer.json
    assert parts_of(answer) == [1, 2, 3]
    world.put_parts(world.upload(pid))
    assert world.act("POST", pid, "/commit").status_code == 200
    world.clock.forward(days=2)
    world.service.sweep()
    assert world.store.uploads() == []
    assert world.bucket(pid).size == SIZE


@pytest.mark.parametrize("after", [False, True], ids=["before the store", "after the store"])
def test_death_between_database_and_store_is_mended_by_reconciling(
    world: RepositoryWorld, pid: str, after: bool
) -> None:
    die(world, "create_upload", after)
    with pytest.raises(Killed):
        world.init(pid)
    world.clock.forward(minutes=16)
    assert world.service.reconcile().abandoned == 1
    world.nothing_left(pid, world.upload(pid))
    assert world.bucket(pid).size == 0
    assert world.act("GET", pid).status_code == 404


def die(world: RepositoryWorld, operation: str, after: bool) -> None:
    def kill() -> None:
        raise Killed

    world.store.on(operation, kill, after=after)


def test_death_before_the_commit_leaves_nothing(
    world: RepositoryWorld, pid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("invenio_db.uow.UnitOfWork.commit", kill)
        with pytest.raises(Killed):
            world.init(pid)
    assert (world.rows(), world.versions(), world.instances()) == ([], [], [])
    assert world.store.calls == []
    assert world.bucket(pid).size == 0
    assert world.act("GET", pid).status_code == 404
    assert files_path(pid)

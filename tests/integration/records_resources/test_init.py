# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The initialisation: what is refused, what is reserved, what repetitions do."""

import hashlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from invenio_db import db

from oarepo_s3.uploads.states import State
from tests.rdm import services

from .world import MIB, PART, SIZE, RepositoryWorld, entry, entry_of

MD5 = hashlib.md5(b"", usedforsecurity=False).hexdigest()


def parts_of(answer: Any, key: str = "data.zip") -> list[int]:
    return [part["part"] for part in entry_of(answer, key)["links"].get("parts", [])]


# plans ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transfer", "plan"),
    [
        ({}, (1, 16 * MIB)),
        ({"parts": 2}, (2, 6 * MIB)),
        ({"part_size": 5 * MIB}, (3, 5 * MIB)),
        ({"parts": 3, "part_size": 5 * MIB}, (3, 5 * MIB)),
    ],
)
def test_server_plans_what_is_left_out(
    world: RepositoryWorld, pid: str, transfer: dict[str, int], plan: tuple[int, int]
) -> None:
    answer = world.init(pid, {"key": "data.zip", "size": SIZE, "transfer": {"type": "M", **transfer}})
    assert answer.status_code == 201, answer.json
    assert entry_of(answer)["transfer"] == {"type": "M", "parts": plan[0], "part_size": plan[1]}
    assert parts_of(answer) == list(range(1, plan[0] + 1))


@pytest.mark.parametrize(
    "transfer",
    [
        {"parts": 2, "part_size": 5 * MIB},
        {"parts": 0},
        {"parts": -1, "part_size": 5 * MIB},
        {"parts": 12, "part_size": MIB},
        {"parts": 10**30},
    ],
)
def test_wrong_plan_says_what_would_be_right(world: RepositoryWorld, pid: str, transfer: dict[str, int]) -> None:
    answer = world.init(pid, {"key": "data.zip", "size": SIZE, "transfer": {"type": "M", **transfer}})
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_plan")
    assert answer.json["suggested"] == {"part_size": 16 * MIB, "parts": 1}
    assert (world.rows(), world.versions(), world.instances()) == ([], [], [])


@pytest.mark.parametrize("fields", [{}, {"size": 0}, {"size": -5}, {"size": 10**30}])
def test_size_is_needed_and_possible(world: RepositoryWorld, pid: str, fields: dict[str, int]) -> None:
    answer = world.init(pid, {"key": "data.zip", "transfer": {"type": "M"}, **fields})
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_size")


@pytest.mark.parametrize(
    "key",
    ["", ".", "..", "a/../b", "./a", "/a", "a//b", "a/", "a\nb", "a\0b", "x" * 1025, "ž" * 600],
)
def test_key_that_no_url_can_carry_is_refused(world: RepositoryWorld, pid: str, key: str) -> None:
    answer = world.init(pid, entry(key))
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_key")
    assert "file key" in answer.json["message"]


@pytest.mark.parametrize("key", ["a b.zip", "a/b/c", "ž.zip", "a?b#c%20", "multipart", "a/commit", "..a", "a\\b"])
def test_any_other_key_works(world: RepositoryWorld, pid: str, key: str) -> None:
    upload = world.sent(pid, key=key)
    assert world.act("GET", pid, "/multipart", key=key).json["key"] == key
    done = world.act("POST", pid, "/commit", key=key)
    assert (done.status_code, done.json["key"]) == (200, key), done.json
    assert world.current(upload).state is State.COMPLETED
    assert world.act("DELETE", pid, key=key).status_code == 204


def test_files_that_are_switched_off(world: RepositoryWorld) -> None:
    pid = world.client()("POST", "/records", json={"files": {"enabled": False}}).json["id"]
    answer = world.init(pid)
    assert (answer.status_code, answer.json["code"]) == (400, "bad_request")


# checksums ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "checksum",
    [
        f"md5:{MD5}",
        f"sha256:{MD5}",
        MD5,
        f"multipart:{MD5}-3",
        f"multipart:{MD5}-2-{PART}",
        f"multipart:{MD5}-3-{MIB}",
    ],
)
def test_checksum_that_cannot_be_verified_is_refused(world: RepositoryWorld, pid: str, checksum: str) -> None:
    answer = world.init(pid, entry(checksum=checksum))
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_checksum")


def test_wrong_checksum_is_found_at_the_commit(world: RepositoryWorld, pid: str) -> None:
    world.sent(pid, checksum=f"multipart:{MD5}-3-{PART}")
    assert "checksum" not in world.act("GET", pid).json
    answer = world.act("POST", pid, "/commit")
    assert (answer.status_code, answer.json["code"]) == (409, "parts_mismatch")
    assert world.act("GET", pid).json["status"] == "pending"


@pytest.mark.parametrize(("size", "form"), [(SIZE, "multipart:{etag}-{part_size}"), (MIB, "etag:{etag}"), (MIB, "md5")])
def test_right_checksum_is_verified(world: RepositoryWorld, pid: str, size: int, form: str) -> None:
    first = world.sent(pid, size=size, key="first")
    done = world.act("POST", pid, "/commit", key="first").json
    etag = done["checksum"].removeprefix("multipart:").rpartition("-")[0]
    part = world.store.objects()[first.s3_bucket, first.s3_key]
    checksum = form.format(etag=etag, part_size=PART)
    if form == "md5":
        upload = world.opened(pid, size=size, key="probe")
        blank = world.put_one(upload, 1)
        checksum = f"md5:{blank}"
    world.sent(pid, size=size, checksum=checksum)
    assert world.act("POST", pid, "/commit").status_code == 200
    assert part.size == size


def test_no_checksum_can_be_compared_with_opaque_etags(make_world: Callable[..., RepositoryWorld]) -> None:
    world = make_world(S3_MULTIPART_OPAQUE_ETAGS=True)
    answer = world.init(world.add_draft(), entry(checksum=f"multipart:{MD5}-3-{PART}"))
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_checksum")


# quota ----------------------------------------------------------------------------------------------------------------


def test_quota_is_reserved_and_holds(world: RepositoryWorld, pid: str) -> None:
    world.set_bucket(pid, quota_size=2 * SIZE)
    world.opened(pid, key="one")
    assert world.bucket(pid).size == SIZE
    world.opened(pid, key="two")
    answer = world.init(pid, entry("three", MIB))
    assert (answer.status_code, answer.json["code"]) == (413, "quota_exceeded")
    assert world.bucket(pid).size == 2 * SIZE
    assert world.sizes_hold()
    assert world.act("DELETE", pid, key="one").status_code == 204
    assert world.init(pid, entry("three", MIB)).status_code == 201


def test_file_that_is_too_big_is_refused(world: RepositoryWorld, pid: str) -> None:
    world.set_bucket(pid, max_file_size=SIZE - 1)
    answer = world.init(pid)
    assert (answer.status_code, answer.json["limit"]) == (413, SIZE - 1)


def test_locked_bucket_takes_nothing(world: RepositoryWorld, pid: str) -> None:
    world.set_bucket(pid, locked=True)
    answer = world.init(pid)
    assert (answer.status_code, answer.json["code"]) == (403, "bucket_locked")


# repetitions ----------------------------------------------------------------------------------------------------------


def test_again_is_the_same_upload(world: RepositoryWorld, pid: str) -> None:
    first = world.init(pid)
    again = world.init(pid)
    assert again.status_code == 201
    assert parts_of(again) == [1, 2, 3]
    assert [entry_of(answer)["version_id"] for answer in (first, again)] == [
        world.rows()[0].object_version_id.__str__()
    ] * 2
    assert world.bucket(pid).size == SIZE
    assert len(world.store.uploads()) == 1


def test_again_in_the_same_request_is_one_file(world: RepositoryWorld, pid: str) -> None:
    answer = world.init(pid, entry(), entry())
    assert answer.status_code == 201, answer.json
    assert len(answer.json["entries"]) == len(world.store.uploads()) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"size": SIZE - 1},
        {"part_size": 6 * MIB},
        {"checksum": f"multipart:{MD5}-3-{PART}"},
    ],
)
def test_another_file_of_that_key_has_to_wait(world: RepositoryWorld, pid: str, other: dict[str, Any]) -> None:
    upload = world.opened(pid)
    answer = world.init(pid, entry(**other))
    assert (answer.status_code, answer.json["code"]) == (409, "upload_exists")
    assert world.current(upload) == upload


def test_key_that_is_taken_otherwise(world: RepositoryWorld, pid: str) -> None:
    assert world.init(pid, {"key": "data.zip"}).status_code == 201
    answer = world.init(pid)
    assert answer.status_code == 400
    assert "already exists" in answer.json["message"]
    world.sent(pid, key="other")
    world.act("POST", pid, "/commit", key="other")
    again = world.init(pid, entry("other"))
    assert again.status_code == 400
    assert "already exists" in again.json["message"]
    assert world.sizes_hold()


def test_key_that_was_taken_a_moment_ago(world: RepositoryWorld, pid: str) -> None:
    """The other file record is made after ours has looked, as in a request at the same time."""
    service = world.app.extensions["invenio-records-resources"].registry.get("draft-files")
    run = service.file_upload.init

    def init_late(*args: Any) -> Any:
        service.file_upload.init = run
        other = threading.Thread(target=lambda: world.init(pid, {"key": "data.zip"}))
        other.start()
        other.join()
        return run(*args)

    service.file_upload.init = init_late
    world.alone = False
    answer = world.init(pid)
    assert answer.status_code == 400
    assert "already exists" in answer.json["message"]
    assert [row.key for row in world.rows()] == ["data.zip"]
    assert (world.versions(), world.bucket(pid).size) == ([], 0)


def test_pending_upload_that_came_by_other_ways(world: RepositoryWorld, pid: str) -> None:
    upload = world.opened(pid)
    db.session.execute(db.text("DELETE FROM rdm_test_draft_files"))
    db.session.commit()
    answer = world.init(pid)
    assert (answer.status_code, answer.json["code"]) == (409, "upload_exists")
    assert world.current(upload).state is State.OPEN


def test_two_at_once_get_the_same_upload(world: RepositoryWorld, pid: str) -> None:
    answers = at_once(world, 8, lambda: world.init(pid))
    assert {answer.status_code for answer in answers} == {201}, [answer.json.get("message") for answer in answers]
    assert len({entry_of(answer)["version_id"] for answer in answers}) == 1
    world.put_parts(world.upload(pid))
    assert world.act("POST", pid, "/commit").status_code == 200
    world.clock.forward(days=2)
    world.service.sweep()
    assert world.store.uploads() == []
    assert world.bucket(pid).size == SIZE


def test_two_at_once_never_go_over_the_quota(world: RepositoryWorld, pid: str) -> None:
    world.set_bucket(pid, quota_size=3 * SIZE)
    keys = iter(f"file{number}" for number in range(8))
    answers = at_once(world, 8, lambda: world.init(pid, entry(next(keys))))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [413] * 5
    assert world.bucket(pid).size == 3 * SIZE


def at_once(world: RepositoryWorld, count: int, act: Callable[[], Any]) -> list[Any]:
    world.alone = False
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(act())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.alone = True
    assert len(answers) == count
    return answers


# limit to the number of files -----------------------------------------------------------------------------------------


def test_repetitions_do_not_count_towards_the_number_of_files(
    world: RepositoryWorld, pid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.OurDraftFilesConfig, "max_files_count", 2)
    assert world.init(pid, entry("a"), entry("b")).status_code == 201
    first = entry_of(world.init(pid, entry("a"), entry("b")), "b")
    assert first["file_id"] == entry_of(world.init(pid, entry("b")), "b")["file_id"]
    assert world.init(pid, entry("b"), entry("c")).status_code == 400
    assert [row.key for row in world.rows()] == ["a", "b"]

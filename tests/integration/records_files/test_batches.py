# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Lists of files to open and to complete: each as by itself, and little work for the database."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from invenio_db import db
from sqlalchemy.exc import IntegrityError

from oarepo_s3.errors import StoreRefused, StoreRetryLater
from oarepo_s3.records_files.owner import RecordsFilesOwner
from oarepo_s3.uploads.models import UploadEvent
from tests.integration.records_app import MIB, Clock, RecordsWorld, counted_statements, records_world

OPEN, COMPLETE = "/draft/records/1/files/?multipart=True", "/draft/records/1/files/?complete=True"


def data_of(key: str) -> bytes:
    return key.encode()


def small(key: str, **fields: Any) -> dict[str, Any]:
    """A request for one put."""
    md5 = base64.b64encode(hashlib.md5(data_of(key)).digest()).decode()
    return {"key": key, "size": len(data_of(key)), "content_md5": md5} | fields


def big(key: str, **fields: Any) -> dict[str, Any]:
    """A request for three parts."""
    return {"key": key, "size": 12 * MIB, "part_size": 5 * MIB} | fields


def post(world: RecordsWorld, path: str, entries: Any, user: str | None = "owner") -> Any:
    return world.client(user)("POST", path, json=entries)


def send(world: RecordsWorld, *keys: str) -> None:
    """Bring the files to the store, as clients do."""
    for key in keys:
        upload = world.upload(key)
        if upload.is_one_put:
            world.store.put_object(upload.s3_bucket, upload.s3_key, data_of(key))
        else:
            world.put_parts(upload)


def facts(answers: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(answer["status"], answer["key"], answer.get("code")) for answer in answers]


def test_whole_life_of_a_list(world: RecordsWorld):
    answer = post(world, OPEN, [small("a", name="A"), big("b"), small("c")])
    assert answer.status_code == 200
    assert facts(answer.json) == [(201, "a", None), (201, "b", None), (201, "c", None)]
    assert [("put" in one["multipart_upload"], len(one["multipart_upload"]["parts"])) for one in answer.json] == [
        (True, 0), (False, 3), (True, 0)
    ]  # fmt: skip
    assert all({"uploadId", "expiration", "version_id"} <= set(one) for one in answer.json)
    assert [entry["key"] for entry in world.files()] == ["a", "b", "c"]
    assert world.bucket().size == 2 + 12 * MIB
    send(world, "a", "b", "c")
    answers = [post(world, COMPLETE, [{"key": key} for key in "cab"]) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json == answers[1].json
    assert facts(answers[0].json) == [(200, "c", None), (200, "a", None), (200, "b", None)]
    assert [one["checksum"].partition(":")[0] for one in answers[0].json] == ["md5", "md5", "multipart"]
    assert answers[0].json[1]["name"] == "A"
    for one in answers[0].json:
        single = world.client().act("complete", one["key"]).json
        assert one == single | {"status": 200}
        assert world.files()["abc".index(one["key"])] == {name: one[name] for name in world.files()[0] if name in one}
    assert [event.actor for event in db.session.query(UploadEvent)] == ["owner"] * 12


def test_one_bad_file_does_not_fail_the_others(world: RecordsWorld):
    world.set_bucket(quota_size=13 * MIB, max_file_size=12 * MIB)
    entries = [
        small("a"), big("b"), small("a"), "no object", {"key": 5}, {}, small("c", size="x"), small("../d"),
        big("too much"), small("e", parts="9-1"), small("f", content_md5="x"), small("last"),
    ]  # fmt: skip
    answer = post(world, OPEN, entries)
    assert answer.status_code == 200
    assert facts(answer.json) == [
        (201, "a", None), (201, "b", None), (400, "a", "invalid_key"), (400, None, "bad_request"),
        (400, None, "bad_request"), (400, None, "bad_request"), (400, "c", "bad_request"), (400, "../d", "invalid_key"),
        (413, "too much", "quota_exceeded"), (400, "e", "invalid_part_number"), (400, "f", "invalid_checksum"),
        (201, "last", None),
    ]  # fmt: skip
    assert all(one["message"] for one in answer.json if one["status"] != 201)
    assert [entry["key"] for entry in world.files()] == ["a", "b", "last"]
    send(world, "a", "last")
    entries = [
        {"key": "a"}, {"key": "a"}, {"key": "b"}, {"key": "none"}, {"key": None}, 7, {"key": "last", "parts": "x"},
        {"key": "last", "parts": [{"PartNumber": 1, "ETag": "0" * 32}]},
    ]  # fmt: skip
    answer = post(world, COMPLETE, entries)
    assert facts(answer.json) == [
        (200, "a", None), (400, "a", "invalid_key"), (409, "b", "parts_mismatch"), (404, "none", "upload_not_found"),
        (400, None, "bad_request"), (400, None, "bad_request"), (400, "last", "bad_request"),
        (409, "last", "parts_mismatch"),
    ]  # fmt: skip
    assert answer.json[2]["missing"] == [[1, 3]]
    assert facts(post(world, COMPLETE, [{"key": "last"}]).json) == [(200, "last", None)]


def test_repeated_list_is_answered_by_the_same_uploads(world: RecordsWorld):
    entries = [small("a"), big("b"), small("new")]
    first = post(world, OPEN, entries[:2]).json
    send(world, "a")
    world.store.fail("list_parts", StoreRetryLater("busy"))
    again = post(world, OPEN, entries).json
    assert facts(again) == [(201, "a", None), (503, "b", "store_retry_later"), (201, "new", None)]
    assert again[1]["retry_after"] == 5
    again = post(world, OPEN, [*entries, big("b", size=13 * MIB)]).json
    assert [one["multipart_upload"]["id"] for one in again[:2]] == [one["multipart_upload"]["id"] for one in first]
    assert [len(one["multipart_upload"]["uploaded_parts"]) for one in again[:2]] == [1, 0]
    assert facts(post(world, OPEN, [small("a", fingerprint="other")]).json) == [(409, "a", "upload_exists")]


def test_defaults_in_the_address_count_for_all(world: RecordsWorld):
    answer = post(world, f"{OPEN}&parts=none&multipart_content_type=text/x-a", [big("a"), big("b", parts="2")])
    assert [len(one["multipart_upload"]["parts"]) for one in answer.json] == [0, 1]
    assert {upload.content_type for upload in (world.upload("a"), world.upload("b"))} == {"text/x-a"}


def test_all_urls_together_are_those_of_one_answer(make_world: Callable[..., RecordsWorld]):
    world = make_world(S3_MULTIPART_URLS_PER_ANSWER=2, S3_MULTIPART_MAX_URLS_PER_ANSWER=5)
    entries = [big("a"), big("b", parts="all"), big("c", parts="1"), big("d"), small("e")]
    answer = post(world, OPEN, entries).json
    assert [len(one["multipart_upload"]["parts"]) if one["status"] == 201 else one["code"] for one in answer] == [
        2, 3, "invalid_part_list", 0, 0
    ]  # fmt: skip


@pytest.mark.parametrize("path", [OPEN, COMPLETE])
def test_list_that_is_too_long_or_none_is_refused_as_a_whole(make_world: Callable[..., RecordsWorld], path: str):
    world = make_world(S3_MULTIPART_BATCH_LIMIT=2)
    answer = post(world, path, [small("a"), small("b"), small("c")])
    assert (answer.status_code, answer.json["code"], answer.json["limit"]) == (400, "bad_request", 2)
    assert world.files() == []
    assert (post(world, path, []).status_code, post(world, path, []).json) == (200, [])
    assert post(world, path, "text").status_code == 400
    assert post(world, COMPLETE, {"key": "a"}).status_code == 400
    assert post(world, "/draft/records/1/files/", [small("a")]).status_code == 400


@pytest.mark.parametrize(("user", "status"), [(None, 401), ("reader", 403)])
@pytest.mark.parametrize("path", [OPEN, COMPLETE])
def test_who_may_not_write_is_told_so(world: RecordsWorld, user: str | None, status: int, path: str):
    assert post(world, path, [small("a")], user).status_code == status
    assert world.files() == []


class Allowed:
    def __init__(self, key: str | None) -> None:
        self._key = key

    def can(self) -> bool:
        return self._key is None or not self._key.startswith("forbidden")


def may_put(record: Any, key: str | None) -> Allowed:
    return Allowed(key)


def test_permission_of_each_key_is_asked(make_world: Callable[..., RecordsWorld]):
    world = make_world(S3_MULTIPART_RECORDS_FILES_ENDPOINTS={"recid": {"put_file_factory": may_put}})
    answer = post(world, OPEN, [small("a"), small("forbidden")]).json
    assert facts(answer) == [(201, "a", None), (403, "forbidden", "forbidden")]
    send(world, "a")
    answer = post(world, COMPLETE, [{"key": "forbidden"}, {"key": "a"}]).json
    assert facts(answer) == [(403, "forbidden", "forbidden"), (200, "a", None)]


def test_locked_bucket_takes_none(world: RecordsWorld):
    world.set_bucket(locked=True)
    assert facts(post(world, OPEN, [small("a"), big("b")]).json) == [
        (403, "a", "bucket_locked"), (403, "b", "bucket_locked")
    ]  # fmt: skip
    assert world.store.calls == []


def test_store_that_refuses_one(world: RecordsWorld):
    world.store.fail("create_upload", StoreRefused("no"))
    answer = post(world, OPEN, [big("a"), small("b")]).json
    assert facts(answer) == [(503, "a", "store_refused"), (201, "b", None)]
    assert [entry["key"] for entry in world.files()] == ["b"]
    assert world.bucket().size == 1


def failing_for(key: str, method: str) -> Callable[..., None]:
    """An owner's method that cannot do with one file."""
    real = getattr(RecordsFilesOwner, method)

    def fail(self: RecordsFilesOwner, session: Any, uploads: Any) -> None:
        if any(upload.key == key for upload in uploads):
            raise IntegrityError("", {}, Exception())
        real(self, session, uploads)

    return fail


def test_row_that_cannot_be_is_isolated(world: RecordsWorld, monkeypatch: pytest.MonkeyPatch):
    entries = [small("a"), small("bad"), small("c")]
    with monkeypatch.context() as patch:
        patch.setattr(RecordsFilesOwner, "opened", failing_for("bad", "opened"))
        assert facts(post(world, OPEN, entries).json) == [
            (201, "a", None), (500, "bad", "internal_error"), (201, "c", None)
        ]  # fmt: skip
    assert [entry["key"] for entry in world.files()] == ["a", "c"]
    assert post(world, OPEN, entries).json[1]["status"] == 201
    send(world, "a", "bad", "c")
    wanted = [{"key": entry["key"]} for entry in entries]
    with monkeypatch.context() as patch:
        patch.setattr(RecordsFilesOwner, "completed", failing_for("bad", "completed"))
        assert facts(post(world, COMPLETE, wanted).json) == [
            (200, "a", None), (500, "bad", "internal_error"), (200, "c", None)
        ]  # fmt: skip
    world.clock.forward(minutes=2)
    assert [one["status"] for one in post(world, COMPLETE, wanted).json] == [200] * 3


@pytest.fixture(params=["sqlite", "postgresql"])
def database_world(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[RecordsWorld]:
    """On the database that counts, too."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create_database()
    with records_world(url, Clock()) as world:
        world.add_record()
        yield world


def test_statements_hardly_depend_on_the_number_of_files(database_world: RecordsWorld, monkeypatch: pytest.MonkeyPatch):
    def tick(clock: Clock) -> datetime:
        clock.forward(microseconds=1)
        return clock.now

    monkeypatch.setattr(Clock, "__call__", tick)  # as real ones do: no two uploads have the same times
    world, keys = database_world, [f"key {number}" for number in range(100)]
    with counted_statements() as opening:
        assert {one["status"] for one in post(world, OPEN, [small(key) for key in keys]).json} == {201}
    send(world, *keys)
    with counted_statements() as completing:
        answer = post(world, COMPLETE, [{"key": key} for key in keys])
        assert {one["status"] for one in answer.json} == {200}
    assert len(opening) <= 60
    assert len(completing) <= 60
    assert [entry["key"] for entry in world.files()] == keys
    assert world.bucket().size == sum(len(key) for key in keys)
    assert all(world.head(key).file.readable for key in keys)

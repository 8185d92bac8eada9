# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The flow of the deposit form and of nrp-cmd, from the first request to the published file."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .client import entry, entry_of
from .invariants import check
from .world import PART, SIZE, Repository, content_of

KEY = "data.bin"
COMMITS = 10
KEYS = [
    "data.bin",
    "a folder/data.bin",
    "deep/er/still.tar.gz",
    "ž ů 日本.bin",
    "100%.bin",
    "a+b&c=d?.bin",
    "x#y;z.bin",
]


@pytest.mark.parametrize("key", KEYS)
def test_file_goes_from_init_to_published(repository: Repository, pid: str, key: str) -> None:
    owner, content = repository.owner, content_of(key)
    answer = owner.init(pid, entry(key, SIZE))
    assert answer.status == 201, answer
    pending = entry_of(answer, key)
    assert pending["status"] == "pending"
    assert pending["transfer"]["type"] == "M"
    assert (pending["transfer"]["parts"], pending["transfer"]["part_size"]) == (3, PART)
    assert [part["part"] for part in pending["links"]["parts"]] == [1, 2, 3]
    assert "content" not in pending["links"]
    owner.put_parts(pending["links"], content)
    answer = owner.ask("POST", pending["links"]["commit"])
    assert answer.status == 200, answer
    done = answer.body
    assert (done["key"], done["status"], done["transfer"], done["size"]) == (key, "completed", {"type": "L"}, SIZE)
    assert done["checksum"].startswith("multipart:")
    extracted = ("updated", "metadata")  # by a task, at any time
    assert _without(owner.ask("GET", done["links"]["self"]).body, *extracted) == _without(done, *extracted)
    assert owner.ask("GET", done["links"]["content"]).status == 302
    assert owner.read(pid, key).content == content
    check(repository, pid, {key: content}, settled=False)
    assert owner.publish(pid).status == 202
    assert repository.user(None).read_published(pid, key).content == content


def _without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


def test_answers_hold_no_upload_id(repository: Repository, pid: str) -> None:
    answer = repository.owner.init(pid, entry(KEY, SIZE))
    document = entry_of(answer, KEY)
    document["links"].pop("parts")
    query = "SELECT s3_upload_id FROM oarepo_s3_uploads WHERE bucket_id = :id"
    upload = repository.rows(query, id=document["bucket_id"])[0]
    assert str(upload.s3_upload_id) not in str(document)


def test_expiration_is_the_real_one(repository: Repository, pid: str) -> None:
    links = entry_of(repository.owner.init(pid, entry(KEY, SIZE)), KEY)["links"]
    seconds = repository.app.config["S3_MULTIPART_URL_EXPIRATION"]
    soon = datetime.now(UTC) + timedelta(seconds=seconds)
    for part in links["parts"]:
        assert f"X-Amz-Expires={seconds}" in part["url"]
        assert abs(datetime.fromisoformat(part["expiration"]) - soon) < timedelta(seconds=60)


def test_server_makes_the_plan_where_the_client_gives_none(repository: Repository, pid: str) -> None:
    pending = entry_of(repository.owner.init(pid, entry(KEY, SIZE, part_size=None)), KEY)
    parts, part_size = pending["transfer"]["parts"], pending["transfer"]["part_size"]
    assert (parts - 1) * part_size < SIZE <= parts * part_size
    assert len(pending["links"]["parts"]) == parts
    repository.owner.put_parts(pending["links"], content_of(KEY), part_size=part_size)
    assert repository.owner.commit(pid, KEY).status == 200
    assert repository.owner.read(pid, KEY).content == content_of(KEY)


def test_number_of_parts_alone_makes_a_plan(repository: Repository, pid: str) -> None:
    pending = entry_of(repository.owner.init(pid, entry(KEY, SIZE, part_size=None, parts=5)), KEY)
    assert (pending["transfer"]["parts"], pending["transfer"]["part_size"]) == (5, 500)


@pytest.mark.parametrize(
    "plan",
    [
        {"parts": 2, "part_size": 1000},
        {"parts": 4, "part_size": 1000},
        {"parts": 10_001, "part_size": 1},
        {"parts": 0, "part_size": 1000},
        {"parts": -1, "part_size": 1000},
        {"parts": 3, "part_size": 0},
        {"parts": 1, "part_size": 6 * 2**30},
        {"parts": "three", "part_size": 1000},
    ],
    ids=str,
)
def test_plan_that_cannot_be_is_refused(repository: Repository, pid: str, plan: dict[str, Any]) -> None:
    size = 10_001 if plan["parts"] == 10_001 else 6 * 2**30 if plan["parts"] == 1 else SIZE
    answer = repository.owner.init(pid, {"key": KEY, "size": size, "transfer": {"type": "M", **plan}})
    assert answer.status == 400, answer
    assert answer.body["message"]
    assert repository.owner.list_files(pid).body["entries"] == []
    assert repository.bucket_size(pid) == 0
    check(repository, pid, {}, settled=True)


def test_wrong_plan_says_what_would_be_right(repository: Repository, pid: str) -> None:
    answer = repository.owner.init(
        pid, {"key": KEY, "size": SIZE, "transfer": {"type": "M", "parts": 2, "part_size": PART}}
    )
    assert answer.status == 400
    assert answer.body["code"] == "invalid_plan"
    assert "3" in answer.body["message"]


@pytest.mark.parametrize("size", [None, 0, -1, "many"])
def test_size_that_cannot_be_is_refused(repository: Repository, pid: str, size: Any) -> None:
    document = {"key": KEY, "size": size, "transfer": {"type": "M", "parts": 1, "part_size": PART}}
    answer = repository.owner.init(pid, {name: value for name, value in document.items() if value is not None})
    assert answer.status == 400, answer
    check(repository, pid, {}, settled=True)


@pytest.mark.parametrize(
    "key", ["", ".", "..", "/etc/passwd", "a/../b", "a/./b", "a//b", "a/", "a\nb", "a\x00b", "x" * 1025]
)
def test_key_that_could_not_be_reached_is_refused(repository: Repository, pid: str, key: str) -> None:
    answer = repository.owner.init(pid, entry(key, SIZE))
    assert answer.status == 400, answer
    assert answer.body["message"]
    check(repository, pid, {}, settled=True)


def test_upload_is_resumed(repository: Repository, pid: str) -> None:
    owner, content = repository.owner, content_of(KEY)
    links = entry_of(owner.init(pid, entry(KEY, SIZE)), KEY)["links"]
    owner.put_parts(links, content, [1])
    state = owner.ask("GET", links["multipart"])
    assert state.status == 200, state
    assert [(part["part"], part["size"]) for part in state.body["parts"]] == [(1, PART)]
    assert state.body["parts"][0]["etag"].strip('"') == hashlib.md5(content[:PART]).hexdigest()
    assert state.body["missing"] == [[2, 3]]
    assert state.body["state"] == "open"
    signed = owner.ask("POST", links["sign"], json={"parts": "2-3"})
    assert signed.status == 200, signed
    assert [part["part"] for part in signed.body["parts"]] == [2, 3]
    owner.put_parts(signed.body, content)
    assert owner.commit(pid, KEY).status == 200
    check(repository, pid, {KEY: content}, settled=False)


@pytest.mark.parametrize("parts", ["2-1", "0", "4", "1,1-x", [4], [0], "", None, {"a": 1}])
def test_parts_that_cannot_be_signed(repository: Repository, pid: str, parts: Any) -> None:
    repository.owner.init(pid, entry(KEY, SIZE))
    assert repository.owner.sign(pid, KEY, parts).status == 400


def test_sign_and_state_of_what_is_no_upload(repository: Repository, pid: str) -> None:
    repository.upload(pid, KEY, content_of(KEY))
    for key, status in (("missing", {404}), (KEY, {404, 409})):
        assert repository.owner.sign(pid, key, "1").status in status
        assert repository.owner.state(pid, key).status in status | {200}
    assert repository.owner.state(pid, "missing").status == 404


def test_init_may_be_repeated(repository: Repository, pid: str) -> None:
    owner, content = repository.owner, content_of(KEY)
    first = owner.init(pid, entry(KEY, SIZE))
    owner.put_parts(entry_of(first, KEY)["links"], content, [1, 2])
    again = owner.init(pid, entry(KEY, SIZE))
    assert again.status == 201, again
    same = ("file_id", "version_id", "bucket_id", "created", "key")
    assert all(entry_of(first, KEY)[name] == entry_of(again, KEY)[name] for name in same)
    assert repository.bucket_size(pid) == SIZE
    assert repository.at_store(pid) == (1, 0)
    owner.put_parts(entry_of(again, KEY)["links"], content, [3])
    assert owner.commit(pid, KEY).status == 200
    check(repository, pid, {KEY: content}, settled=False)


@pytest.mark.parametrize("other", [entry(KEY, SIZE + 1), entry(KEY, SIZE, part_size=500)], ids=["size", "plan"])
def test_init_of_something_else_under_a_pending_key(repository: Repository, pid: str, other: dict[str, Any]) -> None:
    first = repository.owner.init(pid, entry(KEY, SIZE))
    answer = repository.owner.init(pid, other)
    assert answer.status == 409, answer
    assert answer.body["code"] == "upload_exists"
    repository.owner.put_parts(entry_of(first, KEY)["links"], content_of(KEY))
    assert repository.owner.commit(pid, KEY).status == 200
    check(repository, pid, {KEY: content_of(KEY)}, settled=False)


def test_init_of_a_key_that_has_a_file(repository: Repository, pid: str) -> None:
    repository.upload(pid, KEY, content_of(KEY))
    answer = repository.owner.init(pid, entry(KEY, SIZE))
    assert answer.status == 400, answer
    check(repository, pid, {KEY: content_of(KEY)}, settled=False)


def test_commit_too_early_names_what_is_missing(repository: Repository, pid: str) -> None:
    owner, content = repository.owner, content_of(KEY)
    links = entry_of(owner.init(pid, entry(KEY, SIZE)), KEY)["links"]
    owner.put_parts(links, content, [2])
    answer = owner.commit(pid, KEY)
    assert answer.status == 409, answer
    assert answer.body["code"] == "parts_mismatch"
    assert answer.body["missing"] == [[1, 1], [3, 3]]
    assert owner.read_file(pid, KEY).body["status"] == "pending"
    owner.put_parts(links, content, [1, 3])
    assert owner.commit(pid, KEY).status == 200
    check(repository, pid, {KEY: content}, settled=False)


def test_commit_may_be_repeated(repository: Repository, pid: str) -> None:
    repository.uploading(pid, KEY, content_of(KEY))
    first, *others = (repository.owner.commit(pid, KEY) for _ in range(COMMITS))
    for answer in (first, *others):  # while the task that extracts metadata writes the file's record
        assert answer.status == 200, answer
        assert _without(answer.body, "updated", "metadata") == _without(first.body, "updated", "metadata")
    assert repository.owner.commit(pid, "missing").status == 404


def test_part_of_another_size_is_refused_by_the_store(repository: Repository, pid: str) -> None:
    links = entry_of(repository.owner.init(pid, entry(KEY, SIZE)), KEY)["links"]
    assert repository.owner.send_part(links["parts"][0]["url"], b"x" * (PART + 1)).status == 403


def test_content_sent_through_invenio_changes_nothing(repository: Repository, pid: str) -> None:
    owner, content = repository.owner, content_of(KEY)
    links = entry_of(owner.init(pid, entry(KEY, SIZE)), KEY)["links"]
    before = repository.bucket_size(pid)
    whole = owner.put_content(pid, KEY, content)
    assert 400 <= whole.status < 500, whole
    part = owner.ask(
        "PUT", f"{owner.file_url(pid, KEY)}/content/1", body=b"x" * PART,
        headers={"Content-Type": "application/octet-stream"},
    )  # fmt: skip
    assert 400 <= part.status < 500, part
    assert repository.bucket_size(pid) == before == SIZE
    owner.put_parts(links, content)
    assert owner.commit(pid, KEY).status == 200
    check(repository, pid, {KEY: content}, settled=False)


def test_other_transfers_work_as_ever(repository: Repository, pid: str) -> None:
    owner = repository.owner
    assert owner.init(pid, {"key": "small.txt"}).status == 201
    assert owner.put_content(pid, "small.txt", b"a few bytes").status == 200
    answer = owner.commit(pid, "small.txt")
    assert (answer.status, answer.body["status"]) == (200, "completed")
    assert owner.read(pid, "small.txt").content == b"a few bytes"


def test_list_shows_files_without_part_urls(repository: Repository, pid: str) -> None:
    repository.owner.init(pid, entry(KEY, SIZE), entry("other.bin", SIZE))
    repository.upload(pid, "done.bin", content_of("done.bin"))
    answer = repository.owner.list_files(pid)
    assert {one["key"]: one["status"] for one in answer.body["entries"]} == {
        KEY: "pending", "other.bin": "pending", "done.bin": "completed"
    }  # fmt: skip
    assert b"X-Amz" not in answer.content


def test_answer_about_a_file_has_its_urls_and_no_others(repository: Repository, pid: str) -> None:
    repository.owner.init(pid, entry("first.bin", SIZE))
    answer = repository.owner.init(pid, entry("second.bin", SIZE))
    assert "parts" not in entry_of(answer, "first.bin")["links"]
    assert len(entry_of(answer, "second.bin")["links"]["parts"]) == 3
    assert len(repository.owner.read_file(pid, "first.bin").body["links"]["parts"]) == 3

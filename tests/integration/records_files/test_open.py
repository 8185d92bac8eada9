# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Opening an upload over REST."""

import json
import threading

import pytest
from invenio_db import db

from oarepo_s3.errors import StoreRetryLater, StoreUnknownOutcome
from tests.integration.records_app import MIB, RecordsWorld, counted_statements


def test_open_answers_all_that_deployed_uploaders_read(world: RecordsWorld):
    answer = world.client().open(key="data.zip", size=12 * MIB)
    assert answer.status_code == 201
    session = answer.json["multipart_upload"]
    assert (session["num_chunks"], session["chunk_size"]) == (3, 5 * MIB)
    assert (session["size"], session["part_size"], session["parts_count"]) == (12 * MIB, 5 * MIB, 3)
    assert session["parts_url"] == [part["url"] for part in session["parts"]]
    assert [part["part"] for part in session["parts"]] == [1, 2, 3]
    assert session["upload_id"] == answer.json["uploadId"] != session["id"]
    assert (answer.json["key"], session["bucket"]) == ("data.zip", "files")
    assert answer.json["expiration"] == session["expires_at"]
    base = "http://localhost/draft/records/1/files/data.zip"
    assert session["complete_url"] == f"{base}/complete-multipart"
    assert session["abort_url"] == f"{base}/abort-multipart"
    assert session["parts_page_url"] == f"{base}/parts-multipart"
    assert session["sign_url"] == f"{base}/sign-multipart"
    assert "uploaded_parts" not in session


@pytest.mark.parametrize("flag", ["True", "true", "1"])
def test_fields_come_as_json_form_or_query(world: RecordsWorld, flag: str):
    fields = {"key": "data.zip", "size": 6 * MIB, "part_size": 5 * MIB}
    files = "/draft/records/1/files/"
    path = f"{files}?multipart={flag}"
    owner = world.client()
    answers = [
        owner("POST", path, json=fields),
        owner("POST", path, data=fields),
        owner("POST", path, data=fields, content_type="multipart/form-data"),
        owner("POST", files, query_string=fields | {"multipart": flag}),
    ]
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json["uploadId"] for answer in answers}) == 1


def test_metadata_is_kept_but_never_under_a_reserved_name(world: RecordsWorld):
    given = {"name": "Data", "tags": ["a", {"b": None}], "bucket": "x", "file_id": "y", "version_id": "z"}
    more = {"uploadId": "u", "multipart_upload": {}, "expiration": "e", "readable": True}
    owner = world.client()
    opened = owner.open(**given, **more)
    (entry,) = world.files()
    assert {name: opened.json[name] for name in ("name", "tags")} == {"name": "Data", "tags": ["a", {"b": None}]}
    assert set(entry) == {"bucket", "checksum", "file_id", "key", "size", "version_id", "name", "tags"}
    assert entry["bucket"] == str(world.bucket().id)
    upload = world.upload()
    assert (entry["file_id"], entry["version_id"]) == (str(upload.file_id), str(upload.version_id))
    world.put_parts(upload)
    owner.act("complete")
    (entry,) = world.files()
    assert (entry["name"], entry["tags"]) == ("Data", ["a", {"b": None}])


@pytest.mark.parametrize(
    ("parts", "numbers"),
    [("", [1, 2]), ("&parts=all", [1, 2, 3]), ("&parts=none", []), ("&parts=3,1-2", [1, 2, 3]), ("&parts=2", [2])],
)
def test_as_many_urls_as_wanted(make_world, parts: str, numbers: list[int]):
    world = make_world(S3_MULTIPART_URLS_PER_ANSWER=2)
    session = world.client().open(query=parts).json["multipart_upload"]
    assert [part["part"] for part in session["parts"]] == numbers
    assert len(session["parts_url"]) == len(numbers)
    assert session["parts_count"] == 3


def test_more_urls_than_the_limit_are_refused_before_anything_is_opened(make_world):
    world = make_world(S3_MULTIPART_URLS_PER_ANSWER=2, S3_MULTIPART_MAX_URLS_PER_ANSWER=2)
    answer = world.client().open(query="&parts=all")
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_part_list")
    assert world.store.calls == []


def test_open_again_is_the_same_upload_with_what_has_arrived(world: RecordsWorld):
    owner = world.client()
    first = owner.open(fingerprint="f")
    etags = world.put_parts(world.upload(), 2)
    again = owner.open(fingerprint="f")
    assert again.status_code == 201
    assert again.json["uploadId"] == first.json["uploadId"]
    assert again.json["multipart_upload"]["uploaded_parts"] == [{"part": 2, "size": 5 * MIB, "etag": etags[2]}]
    assert len(world.store.uploads()) == 1
    assert world.bucket().size == 12 * MIB


@pytest.mark.parametrize("other", [{"size": 13 * MIB}, {"part_size": 6 * MIB}, {"fingerprint": "other"}])
def test_open_again_for_another_file_is_a_conflict(world: RecordsWorld, other: dict):
    owner = world.client()
    owner.open(fingerprint="f")
    answer = owner.open(**({"fingerprint": "f"} | other))
    assert (answer.status_code, answer.json["code"]) == (409, "upload_exists")
    assert answer.json["size"] == 12 * MIB
    assert len(world.store.uploads()) == 1


@pytest.mark.parametrize("limit", ["quota_size", "max_file_size"])
def test_size_over_the_limit_is_refused_with_the_reason(world: RecordsWorld, limit: str):
    world.set_bucket(**{limit: 12 * MIB - 1})
    answer = world.client().open(size=12 * MIB)
    assert (answer.status_code, answer.json["code"]) == (413, "quota_exceeded")
    assert answer.json["reason"] == answer.json["message"]
    assert answer.json["reason"] in ("Bucket quota exceeded.", "Maximum file size exceeded.")
    assert answer.json["limit"] == 12 * MIB - 1
    assert world.store.calls == []
    assert (world.files(), world.bucket().size) == ([], 0)


def test_pending_uploads_count_for_the_quota(world: RecordsWorld):
    world.set_bucket(quota_size=20 * MIB)
    owner = world.client()
    assert owner.open(key="a").status_code == 201
    assert owner.open(key="b").status_code == 413
    owner.act("abort", "a")
    assert owner.open(key="b").status_code == 201


def test_locked_bucket_takes_nothing(world: RecordsWorld):
    world.set_bucket(locked=True)
    answer = world.client().open()
    assert (answer.status_code, answer.json["code"]) == (403, "bucket_locked")


def test_record_without_a_bucket_has_no_files(world: RecordsWorld):
    from invenio_records_files.models import RecordsBuckets

    db.session.query(RecordsBuckets).delete()
    db.session.commit()
    answer = world.client().open()
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


def test_metadata_of_a_record_cannot_point_to_the_bucket_of_another(world: RecordsWorld):
    other = world.add_record("2", owner="somebody else")
    record = world.record()
    record["_bucket"] = str(other)
    record.commit()
    db.session.commit()
    assert world.client().open().status_code == 201
    assert world.store.calls
    assert world.service.pending(other) == []


def test_store_in_trouble_says_when_to_come_back_and_leaves_nothing(world: RecordsWorld):
    world.store.fail("create_upload", StoreRetryLater("CreateMultipartUpload: SlowDown (HTTP 503)", retry_after=7))
    answer = world.client().open()
    assert (answer.status_code, answer.json["code"]) == (503, "store_retry_later")
    assert answer.headers["Retry-After"] == "7"
    assert (world.files(), world.bucket().size) == ([], 0)


def test_lost_answer_is_repeated_with_success(world: RecordsWorld):
    world.store.fail("create_upload", StoreUnknownOutcome("no answer"), after=True)
    owner = world.client()
    assert owner.open().status_code == 503
    assert owner.open().status_code == 201
    world.put_parts(world.upload())
    assert owner.act("complete").status_code == 200


def test_open_costs_few_statements_and_one_store_call_at_any_size_of_record_and_file(world: RecordsWorld):
    owner = world.client()
    counts = []
    for key, files in (("few", 0), ("many", 30)):
        for number in range(files):
            world.add_file(f"old-{number}")
        world.store.calls.clear()
        with counted_statements() as statements:
            answer = owner.open(key=key, size=10_000 * 5 * MIB)
        assert answer.status_code == 201
        assert [call.name for call in world.store.calls] == ["create_upload"]
        assert len(json.dumps(answer.json)) < 100_000
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 24


def test_simultaneous_opens_are_one_upload(world: RecordsWorld):
    answers = []

    def second() -> None:
        with world.app.app_context():
            answers.append(world.client().open())

    def during_the_first() -> None:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()

    world.store.on("create_upload", during_the_first)
    answers.append(world.client().open())
    assert [answer.status_code for answer in answers] == [201, 201]
    assert len({answer.json["uploadId"] for answer in answers}) == 1
    assert len(world.store.uploads()) == 1

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The paths of oarepo-s3 1.4, asked as its clients ask: a token with the opening only, part sizes of their own."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.records_app import MIB, RecordsWorld, Requests, file_path

CAPABILITY = {"S3_MULTIPART_UPLOAD_ID_AS_CAPABILITY": True}
OTHER_ID = "u" * 43


@pytest.fixture
def world(make_world: Callable[..., RecordsWorld]) -> RecordsWorld:
    """A world where an upload id is a permission."""
    return make_world(**CAPABILITY)


def open_as_1_4(world: RecordsWorld, key: str = "data.zip", size: int = 12 * MIB, **fields: Any) -> str:
    """Open an upload as the command line of 1.4 does; the address of the upload."""
    body = {"key": key, "name": key, "multipart_content_type": "application/octet-stream", "size": size} | fields
    answer = world.client()("POST", "/draft/records/1/files/?multipart=true", json=body)
    assert answer.status_code == 201
    assert answer.json["key"] == key
    return f"{file_path(key)}/{answer.json['uploadId']}"


@pytest.fixture
def nobody(world: RecordsWorld) -> Requests:
    """A client without a token."""
    return world.client(None)


@pytest.mark.parametrize("key", ["data.zip", 'a/b c/ž"ů?.zip', "a//b", "parts"])
def test_whole_life_without_a_token_and_with_part_sizes_of_the_client(world: RecordsWorld, nobody: Requests, key: str):
    address = open_as_1_4(world, key)
    urls = nobody("GET", f"{address}/1,2/presigned").json["presignedUrls"]
    assert sorted(urls) == ["1", "2"]
    query = parse_qs(urlsplit(urls["2"]).query)
    assert (query["partNumber"], query["X-Amz-SignedHeaders"]) == (["2"], ["host"])
    upload = world.upload(key)
    etags = {1: world.put_part(upload, 1, 7 * MIB), 2: world.put_part(upload, 2, 5 * MIB)}
    listed = nobody("GET", f"{address}/parts").json
    assert [(part["PartNumber"], part["ETag"], part["Size"]) for part in listed] == [
        (1, f'"{etags[1]}"', 7 * MIB),
        (2, f'"{etags[2]}"', 5 * MIB),
    ]
    assert all(part["LastModified"].endswith("GMT") for part in listed)
    parts = [{"ETag": part["ETag"], "PartNumber": part["PartNumber"]} for part in listed]
    answers = [nobody("POST", f"{address}/complete", json={"parts": parts}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json == answers[1].json
    assert set(answers[0].json) == {"location", "checksum"}
    algorithm, _, etag = answers[0].json["checksum"].partition(":")
    assert (algorithm, etag[-2:]) == ("etag", "-2")
    assert answers[0].json["location"] == f"http://localhost{file_path(key)}"
    assert world.head(key).file.readable


def test_abort_and_again(world: RecordsWorld, nobody: Requests):
    address = open_as_1_4(world)
    for _ in range(2):
        answer = nobody("DELETE", f"{address}/abort")
        assert (answer.status_code, answer.json) == (200, {})
    assert world.files() == []
    for method, path in (("GET", "parts"), ("GET", "1/presigned"), ("POST", "complete")):
        answer = nobody(method, f"{address}/{path}")
        assert (answer.status_code, answer.json["code"]) == (410, "upload_aborted")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "1/presigned"), ("GET", "parts"), ("POST", "complete"), ("DELETE", "abort")]
)
def test_wrong_id_is_unknown_whatever_there_is(world: RecordsWorld, method: str, path: str):
    world.add_record("2")
    foreign = world.client().open(pid="2").json["uploadId"]
    open_as_1_4(world)
    elsewhere = [
        f"{file_path('data.zip')}/{OTHER_ID}",
        f"{file_path('data.zip')}/{'ů' * 43}",
        f"{file_path('data.zip')}/{foreign}",
        f"{file_path('no-such.zip')}/{OTHER_ID}",
        f"{file_path('data.zip', '77')}/{OTHER_ID}",
    ]
    for user in (None, "other", "owner"):
        answers = [world.client(user)(method, f"{address}/{path}") for address in elsewhere]
        assert {(answer.status_code, answer.json["code"]) for answer in answers} == {(404, "upload_not_found")}
        assert len({answer.data for answer in answers}) == 1
    assert world.upload().state == world.upload(pid="2").state == "open"


def test_id_that_a_lenient_database_takes_for_another_is_unknown(
    world: RecordsWorld, nobody: Requests, monkeypatch: pytest.MonkeyPatch
):
    address = open_as_1_4(world)
    upload = world.upload()
    monkeypatch.setattr(world.service, "find", lambda *_: upload)
    assert nobody("GET", f"{address}/parts").status_code == 200
    assert nobody("GET", f"{address.lower()}/parts").status_code == 404


def test_id_is_no_permission_for_anything_else(world: RecordsWorld, nobody: Requests):
    open_as_1_4(world)
    for action in ("complete", "abort", "parts", "sign"):
        assert nobody.act(action).status_code == 401
    assert nobody("DELETE", file_path("data.zip")).status_code == 401


def test_id_is_no_permission_unless_the_setting_says_so(make_world: Callable[..., RecordsWorld], tmp_path: Any):
    world = make_world()
    address = open_as_1_4(world)
    assert world.client(None)("GET", f"{address}/parts").status_code == 401
    assert world.client("other")("GET", f"{address}/parts").status_code == 403
    assert world.client()("GET", f"{address}/parts").status_code == 200


def test_client_that_asked_for_a_part_size_keeps_the_plan(world: RecordsWorld, nobody: Requests):
    address = open_as_1_4(world, part_size=5 * MIB)
    url = nobody("GET", f"{address}/3/presigned").json["presignedUrls"]["3"]
    assert parse_qs(urlsplit(url).query)["X-Amz-SignedHeaders"] == ["content-length;host"]
    answer = nobody("GET", f"{address}/4/presigned")
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_part_number")


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ("0", "invalid_part_number"),
        ("10001", "invalid_part_number"),
        ("x", "invalid_part_list"),
        ("1,", "invalid_part_list"),
    ],
)
def test_part_numbers_that_cannot_be_are_refused(world: RecordsWorld, nobody: Requests, numbers: str, code: str):
    answer = nobody("GET", f"{open_as_1_4(world)}/{numbers}/presigned")
    assert (answer.status_code, answer.json["code"]) == (400, code)


def test_wrong_total_is_a_conflict_that_can_be_repaired(world: RecordsWorld, nobody: Requests):
    address = open_as_1_4(world)
    nobody("GET", f"{address}/1/presigned")
    world.put_part(world.upload(), 1, 11 * MIB)
    answer = nobody("POST", f"{address}/complete", json={"parts": []})
    assert (answer.status_code, answer.json["code"]) == (409, "parts_mismatch")
    world.put_part(world.upload(), 1, 12 * MIB)
    assert nobody("POST", f"{address}/complete", json={"parts": []}).status_code == 200


def test_expired_upload_is_gone(world: RecordsWorld, nobody: Requests):
    address = open_as_1_4(world)
    world.clock.forward(days=2)
    answer = nobody("GET", f"{address}/1/presigned")
    assert (answer.status_code, answer.json["code"]) == (410, "upload_expired")


def test_completed_upload_has_no_parts_any_more(world: RecordsWorld, nobody: Requests):
    address = open_as_1_4(world)
    world.put_part(world.upload(), 1, 12 * MIB)
    nobody("GET", f"{address}/1/presigned")
    assert nobody("POST", f"{address}/complete").status_code == 200
    answer = nobody("GET", f"{address}/parts")
    assert (answer.status_code, answer.json["code"]) == (409, "upload_completed")


def test_file_whose_name_looks_like_an_old_path_is_a_file(world: RecordsWorld):
    owner = world.client()
    for key in ("data/x/parts", "data/1,2/presigned", f"{'v' * 42}/complete"):
        assert owner.open(key=key).status_code == 201
        world.put_parts(world.upload(key))
        assert owner.act("complete", key).status_code == 200
        assert owner("GET", file_path(key)).status_code == 302


def test_ended_upload_is_found_by_its_id_while_another_one_is_pending(world: RecordsWorld, nobody: Requests):
    first = open_as_1_4(world)
    nobody("DELETE", f"{first}/abort")
    second = open_as_1_4(world)
    assert nobody("DELETE", f"{first}/abort").status_code == 200
    assert nobody("GET", f"{second}/parts").json == []


def test_actor_is_not_taken_from_a_cookie(world: RecordsWorld):
    from invenio_db import db

    from oarepo_s3.uploads.models import UploadEvent

    address = open_as_1_4(world)
    world.client("other")("DELETE", f"{address}/abort")
    db.session.commit()
    actors = {event.event: event.actor for event in db.session.query(UploadEvent)}
    assert (actors["opened"], actors["abort"]) == ("owner", None)

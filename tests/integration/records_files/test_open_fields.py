# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What a request to open an upload may say: keys of any script, and fields that are wrong."""

import pytest

from tests.integration.records_app import MIB, RecordsWorld, file_path

KEYS = [
    'a/b c/ž"ů?.zip', "plain.txt", "a//b", "a/b/", "%2e%2e", "a%2Fb", "a+b&c=d;e", "données/文件.tar", "é", "e\u0301",
    "100 %#.csv", "back\\slash", "x" * 255, ".hidden", "...", "data/x/parts",
]  # fmt: skip

BAD_KEYS = [
    "../../x", "a/../b", "./a", "a/.", "..", "/a", "", "a\nb", "nul\0", "x" * 256, "half \ud800",
    "complete-multipart", "a/abort-multipart", "parts-multipart", "x/y/sign-multipart",
    f"a/{'u' * 43}/parts", f"{'u' * 43}/abort", f"a/{'u' * 43}/complete", f"a/{'u' * 43}/1,2/presigned",
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_any_key_lives_its_whole_life(world: RecordsWorld, key: str):
    owner = world.client()
    opened = owner.open(key=key, size=6 * MIB)
    assert opened.status_code == 201
    assert opened.json["key"] == key
    upload = world.upload(key)
    assert key not in upload.s3_key
    session = opened.json["multipart_upload"]
    world.put_parts(upload, 1)
    assert owner("GET", session["parts_page_url"]).json["missing"] == [[2, 2]]
    signed = owner("POST", session["sign_url"], json={"parts": [2]})
    assert [part["part"] for part in signed.json["parts"]] == [2]
    world.put_parts(upload, 2)
    completed = owner("POST", session["complete_url"])
    assert (completed.status_code, completed.json["key"]) == (200, key)
    assert owner("GET", completed.json["location"]).status_code == 302
    assert [entry["key"] for entry in owner("GET", "/draft/records/1/files/").json] == [key]
    assert owner("DELETE", file_path(key)).status_code == 204
    assert world.files() == []


def test_forms_of_the_same_letters_are_different_keys(world: RecordsWorld):
    owner = world.client()
    ids = {owner.open(key=key).json["uploadId"] for key in ("é", "e\u0301")}
    assert len(ids) == 2
    assert sorted(entry["key"] for entry in world.files()) == ["e\u0301", "é"]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_key_that_no_url_could_reach_is_refused(world: RecordsWorld, key: str):
    answer = world.client().open(key=key)
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_key")
    assert world.store.calls == []
    assert world.files() == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"key": None}, "key"),
        ({"key": 1}, "key"),
        ({"key": ["a"]}, "key"),
        ({"size": None}, "size"),
        ({"size": "big"}, "size"),
        ({"size": True}, "size"),
        ({"size": 1.5}, "size"),
        ({"size": 2**63}, "size"),
        ({"part_size": "x"}, "part_size"),
        ({"part_size": False}, "part_size"),
        ({"multipart_content_type": 7}, "multipart_content_type"),
        ({"multipart_content_type": "zip"}, "multipart_content_type"),
        ({"multipart_content_type": "a/b\r\nX-Evil: 1"}, "multipart_content_type"),
        ({"fingerprint": {}}, "fingerprint"),
        ({"fingerprint": "a\0b"}, "fingerprint"),
        ({"parts": 3}, "parts"),
        ({"title": "a\0b"}, "title"),
        ({"about": {"deep": ["\ud800"]}}, "about"),
    ],
)
def test_wrong_or_missing_field_is_named(world: RecordsWorld, fields: dict, field: str):
    answer = world.client().open(**fields)
    assert (answer.status_code, answer.json["status"], answer.json["code"]) == (400, 400, "bad_request")
    assert [error["field"] for error in answer.json["errors"]] == [field]
    assert field in answer.json["message"]
    assert all(error["message"] for error in answer.json["errors"])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"size": 0}, "invalid_size"),
        ({"size": -1}, "invalid_size"),
        ({"size": 2**62}, "invalid_size"),
        ({"part_size": 0}, "invalid_plan"),
        ({"part_size": 1}, "invalid_plan"),
        ({"checksum": "md5:1"}, "invalid_checksum"),
        ({"checksum": f"multipart:{'0' * 32}-3"}, "invalid_checksum"),
        ({"parts": "9"}, "invalid_part_number"),
        ({"parts": "0"}, "invalid_part_number"),
        ({"parts": "some"}, "invalid_part_list"),
        ({"parts": "3-1"}, "invalid_part_number"),
    ],
)
def test_field_that_cannot_be_has_its_code_and_opens_nothing(world: RecordsWorld, fields: dict, code: str):
    answer = world.client().open(**fields)
    assert (answer.status_code, answer.json["code"]) == (400, code)
    assert world.store.calls == []


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ({"data": "{", "content_type": "application/json"}, 400, "bad_request"),
        ({"data": "1", "content_type": "application/json"}, 400, "bad_request"),
        ({"data": '{"key": NaN}', "content_type": "application/json"}, 400, "bad_request"),
        ({"data": "[" * 100_000, "content_type": "application/json"}, 400, "bad_request"),
        ({"data": b"\xff", "content_type": "application/json"}, 400, "bad_request"),
        ({"data": "key=a", "content_type": "text/plain"}, 415, "unsupported_media_type"),
        ({"data": " " * (2 * MIB + 1), "content_type": "application/json"}, 413, "request_too_large"),
    ],
)
def test_body_that_cannot_be_read_is_refused(world: RecordsWorld, arguments: dict, status: int, code: str):
    answer = world.client()("POST", "/draft/records/1/files/?multipart=True", **arguments)
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_multipart_that_is_neither_true_nor_false_is_named(world: RecordsWorld):
    answer = world.client()("POST", "/draft/records/1/files/?multipart=maybe", json={})
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (400, "multipart")

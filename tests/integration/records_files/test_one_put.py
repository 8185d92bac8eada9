# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Small files by one PUT, over REST."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from oarepo_s3.uploads.models import Upload
from tests.integration.records_app import RecordsWorld

DATA = b"0123456789"


def md5(data: bytes = DATA) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def open_put(world: RecordsWorld, data: bytes = DATA, **fields: Any) -> Any:
    fields = {"part_size": None, "content_md5": md5(data)} | fields
    return world.client().open(size=len(data), **fields)


def put(world: RecordsWorld, upload: Upload, data: bytes = DATA) -> None:
    world.store.put_object(upload.s3_bucket, upload.s3_key, data, content_type=upload.content_type)


@pytest.mark.parametrize("data", [DATA, b""], ids=["bytes", "empty"])
def test_whole_life(world: RecordsWorld, data: bytes):
    answer = open_put(world, data, name="Data")
    assert answer.status_code == 201
    session = answer.json["multipart_upload"]
    assert {name: session[name] for name in ("parts", "parts_url", "parts_count", "num_chunks")} == {
        "parts": [], "parts_url": [], "parts_count": 1, "num_chunks": 1
    }  # fmt: skip
    assert (session["size"], session["part_size"], session["chunk_size"]) == (len(data),) * 3
    assert set(session["put"]) == {"url", "headers", "expires_at"}
    assert session["put"]["headers"] == {
        "Content-Length": str(len(data)), "Content-MD5": md5(data), "Content-Type": "application/zip"
    }  # fmt: skip
    assert "content_md5" not in answer.json
    owner, upload = world.client(), world.upload()
    parts = owner.act("parts").json
    assert (parts["state"], parts["one_put"], parts["parts"], parts["missing"]) == ("open", True, [], [[1, 1]])
    put(world, upload, data)
    parts = owner.act("parts").json
    assert (parts["parts"], parts["missing"]) == (
        [{"part": 1, "size": len(data), "etag": hashlib.md5(data).hexdigest()}],
        [],
    )
    completed = [owner.act("complete", json={}) for _ in range(2)]
    assert [one.status_code for one in completed] == [200, 200]
    assert completed[0].json == completed[1].json
    assert completed[0].json["checksum"] == f"md5:{hashlib.md5(data).hexdigest()}"
    assert completed[0].json["name"] == "Data"
    (entry,) = world.files()
    assert entry == {name: completed[0].json[name] for name in entry}
    assert "create_upload" not in {call.name for call in world.store.calls}
    assert owner("GET", "/draft/records/1/files/data.zip").status_code == 302


def test_repeated_opening_tells_what_has_arrived(world: RecordsWorld):
    first = open_put(world).json["multipart_upload"]
    assert "uploaded_parts" not in first
    put(world, world.upload())
    again = open_put(world).json["multipart_upload"]
    assert (again["id"], [part["part"] for part in again["uploaded_parts"]]) == (first["id"], [1])
    assert open_put(world, content_md5=md5(b"x")).json["code"] == "upload_exists"
    assert open_put(world, content_md5=None).json["code"] == "upload_exists"


@pytest.mark.parametrize("body", [{}, {"parts": "all"}, {"parts": [7]}])
def test_sign_gives_a_fresh_url(world: RecordsWorld, body: dict[str, Any]):
    before = open_put(world).json["multipart_upload"]["put"]
    world.clock.forward(minutes=10)
    answer = world.client().act("sign", json=body)
    assert (answer.status_code, answer.json["parts"]) == (200, [])
    assert answer.json["put"]["headers"] == before["headers"]
    assert answer.json["put"]["expires_at"] > before["expires_at"]
    assert world.client("reader").act("sign", json=body).status_code == 403


def test_what_has_not_arrived_is_a_conflict(world: RecordsWorld):
    open_put(world)
    answer = world.client().act("complete", json={})
    assert (answer.status_code, answer.json["code"], answer.json["missing"]) == (409, "parts_mismatch", [[1, 1]])


def test_abort_leaves_nothing(world: RecordsWorld):
    open_put(world)
    put(world, world.upload())
    assert world.client().act("abort").json["state"] == "aborted"
    assert (world.files(), world.store.objects(), world.bucket().size) == ([], {}, 0)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"content_md5": "x"}, "invalid_checksum"),
        ({"content_md5": 5}, "bad_request"),
        ({"content_md5": md5(), "checksum": "etag:" + "0" * 32}, "invalid_checksum"),
        ({"size": 0, "content_md5": None}, "invalid_size"),
        ({"size": -1}, "invalid_size"),
    ],
)
def test_what_cannot_be_is_refused(world: RecordsWorld, fields: dict[str, Any], code: str):
    fields = {"size": len(DATA), "part_size": None, "content_md5": md5()} | fields
    answer = world.client().open(**fields)
    assert (answer.status_code, answer.json["code"]) == (400, code)
    assert world.files() == []


def test_switched_off_it_goes_in_parts(make_world: Callable[..., RecordsWorld]):
    world = make_world(S3_MULTIPART_ONE_PUT_LIMIT=0)
    session = open_put(world).json["multipart_upload"]
    assert ("put" in session, len(session["parts"])) == (False, 1)


def test_clients_of_1_4_are_told_that_there_are_no_parts(world: RecordsWorld):
    upload_id = open_put(world).json["uploadId"]
    path = f"/draft/records/1/files/data.zip/{upload_id}"
    assert world.client()("GET", f"{path}/1/presigned").json["code"] == "invalid_plan"
    put(world, world.upload())
    assert world.client()("POST", f"{path}/complete", json={}).json["checksum"] == (
        f"etag:{hashlib.md5(DATA).hexdigest()}"
    )

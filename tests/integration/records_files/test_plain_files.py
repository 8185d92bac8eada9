# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Files that go through the application, over a real server: PUT, a form with a file, download, deletion."""

import io
from collections.abc import Callable
from typing import Any

import pytest
import requests
from invenio_db import db
from invenio_files_rest.models import FileInstance, ObjectVersion
from invenio_files_rest.signals import file_deleted, file_uploaded

from oarepo_s3.signals import before_upload_abort
from tests.integration.records_app import MIB, RecordsWorld, file_path
from tests.servers.s3 import S3Server

FILES = "/draft/records/1/files/"
FILE = file_path("data.txt")


@pytest.fixture
def server_settings(rclone: S3Server) -> dict[str, Any]:
    """Settings of a real server with a bucket of the test's own."""
    return {
        "s3_bucket": rclone.create_bucket(),
        "S3_CLIENT": "oarepo_s3.store.client.S3Client",
        "S3_ENDPOINT_URL": rclone.endpoint,
        "S3_ACCESS_KEY_ID": rclone.access_key,
        "S3_SECRET_ACCESS_KEY": rclone.secret_key,
        "S3_REGION_NAME": rclone.region,
    }


@pytest.fixture
def world(make_world: Callable[..., RecordsWorld], server_settings: dict[str, Any]) -> RecordsWorld:
    """A world over a real server."""
    return make_world(**server_settings)


@pytest.fixture
def objects(rclone: S3Server, server_settings: dict[str, Any]) -> Callable[[], list[str]]:
    """Gives the keys of the objects in the bucket."""

    def keys() -> list[str]:
        listed = rclone.client().list_objects_v2(Bucket=server_settings["s3_bucket"])
        return [found["Key"] for found in listed.get("Contents", [])]

    return keys


def download(world: RecordsWorld, path: str = FILE) -> bytes:
    """The file, by the redirect."""
    answer = world.client("reader")("GET", path)
    assert answer.status_code == 302
    return requests.get(answer.headers["Location"], timeout=30).content


def put_form(world: RecordsWorld, content: bytes = b"content", **fields: Any) -> Any:
    """POST a form with a file in it."""
    data = {"key": "data.txt", "file": (io.BytesIO(content), "any.txt")} | fields
    return world.client()("POST", FILES, data=data, content_type="multipart/form-data")


def test_put_takes_an_empty_file(world: RecordsWorld):
    assert (world.client()("PUT", FILE, data=b"").status_code, download(world)) == (201, b"")


def test_put_stores_the_body(world: RecordsWorld):
    told = []

    def uploaded(sender: Any, obj: Any) -> None:
        told.append((sender.name, obj.key, obj.file.size))

    with file_uploaded.connected_to(uploaded):
        answer = world.client()("PUT", FILE, data=b"content", content_type="text/plain")
    assert answer.status_code == 201
    assert (answer.json["key"], answer.json["size"]) == ("data.txt", 7)
    assert answer.json["checksum"] == "md5:9a0364b9e99bb480dd25e1f0284c8555"
    assert world.files() == [answer.json]
    assert told == [("records", "data.txt", 7)]
    assert world.bucket().size == 7
    assert download(world) == b"content"


def test_put_again_is_a_new_version_that_keeps_place_and_metadata(world: RecordsWorld):
    put_form(world, b"old", note="kept")
    put_form(world, b"z", key="z.txt")
    world.client()("PUT", FILE, data=b"new!")
    assert [(entry["key"], entry["size"], entry.get("note")) for entry in world.files()] == [
        ("data.txt", 4, "kept"),
        ("z.txt", 1, None),
    ]
    assert download(world) == b"new!"
    assert ObjectVersion.get_versions(world.bucket(), "data.txt").count() == 2
    assert world.bucket().size == 3 + 1 + 4


def test_form_stores_its_file_and_keeps_other_fields(world: RecordsWorld):
    answer = put_form(world, note="n", size="1", tags=["a", "b"])
    assert answer.status_code == 201
    assert (answer.json["note"], answer.json["tags"], answer.json["size"]) == ("n", ["a", "b"], 7)
    assert world.files() == [answer.json]
    assert download(world) == b"content"


def test_form_without_exactly_one_file_is_refused(world: RecordsWorld):
    for files in ({}, {"file": (io.BytesIO(b"a"), "a"), "more": (io.BytesIO(b"b"), "b")}):
        data = {"key": "data.txt"} | files
        answer = world.client()("POST", FILES, data=data, content_type="multipart/form-data")
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (400, "file")


@pytest.mark.parametrize("key", ["../../x", "a/..", "complete-multipart", "", "a\t"])
def test_key_that_cannot_be_is_refused(world: RecordsWorld, objects: Callable[[], list[str]], key: str):
    answers = [put_form(world, key=key)]
    if key:
        answers.append(world.client()("PUT", file_path(key), data=b"x"))
    assert {(answer.status_code, answer.json["code"]) for answer in answers} == {(400, "invalid_key")}
    assert objects() == []


def test_form_without_a_key_is_refused(world: RecordsWorld):
    data = {"file": (io.BytesIO(b"a"), "a")}
    answer = world.client()("POST", FILES, data=data, content_type="multipart/form-data")
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (400, "key")


@pytest.mark.parametrize("limit", ["quota_size", "max_file_size"])
@pytest.mark.parametrize("length_known", [True, False])
def test_file_over_the_limit_leaves_nothing(
    world: RecordsWorld, objects: Callable[[], list[str]], limit: str, length_known: bool
):
    world.set_bucket(**{limit: 5})
    arguments: dict[str, Any] = {"data": b"content"}
    if not length_known:
        environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        arguments = {"input_stream": io.BytesIO(b"content"), "environ_overrides": environ}
    answer = world.client()("PUT", FILE, **arguments)
    assert (answer.status_code, answer.json["code"]) == (413, "quota_exceeded")
    assert answer.json["reason"] in ("Bucket quota exceeded.", "Maximum file size exceeded.")
    assert (world.files(), world.bucket().size, objects()) == ([], 0, [])


class Broken(io.BytesIO):
    """A connection that is lost at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise ConnectionResetError("lost")


@pytest.mark.parametrize("stream", [io.BytesIO(b"content"), Broken(b"content")])
def test_body_that_breaks_off_leaves_nothing(world: RecordsWorld, objects: Callable[[], list[str]], stream: io.BytesIO):
    environ = {"wsgi.input_terminated": type(stream) is io.BytesIO, "CONTENT_LENGTH": "9"}
    answer = world.client()("PUT", FILE, input_stream=stream, environ_overrides=environ)
    assert (answer.status_code, answer.json["code"]) == (400, "bad_request")
    assert (world.files(), world.bucket().size, objects()) == ([], 0, [])


def test_quota_that_is_used_up_meanwhile_is_found_at_the_end(
    world: RecordsWorld, objects: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
):
    save = FileInstance.set_contents

    def slowly(file: FileInstance, *arguments: Any, **options: Any) -> Any:
        saved = save(file, *arguments, **options)
        world.set_bucket(quota_size=5)
        return saved

    monkeypatch.setattr(FileInstance, "set_contents", slowly)
    answer = world.client()("PUT", FILE, data=b"content")
    assert (answer.status_code, answer.json["code"]) == (413, "quota_exceeded")
    assert (world.files(), world.bucket().size, objects()) == ([], 0, [])
    assert db.session.query(FileInstance).count() == 0


def test_nothing_replaces_a_file_whose_upload_is_pending(world: RecordsWorld):
    owner = world.client()
    owner.open(key="data.txt")
    before = (world.files(), world.bucket().size)
    for answer in (owner("PUT", FILE, data=b"content"), put_form(world)):
        assert (answer.status_code, answer.json["code"]) == (409, "upload_exists")
        assert answer.json["size"] == 12 * MIB
    assert (world.files(), world.bucket().size) == before
    assert world.upload("data.txt").state == "open"


def test_locked_bucket_keeps_its_files(world: RecordsWorld):
    owner = world.client()
    owner("PUT", FILE, data=b"content")
    owner.open(key="new.txt")
    world.set_bucket(locked=True)
    answers = [
        owner("PUT", FILE, data=b"x"),
        put_form(world),
        owner("DELETE", FILE),
        owner("DELETE", file_path("new.txt")),
    ]
    assert {(answer.status_code, answer.json["code"]) for answer in answers} == {(403, "bucket_locked")}
    assert world.upload("new.txt").state == "open"
    assert download(world) == b"content"


def test_bucket_that_is_locked_meanwhile_keeps_its_file(world: RecordsWorld):
    owner = world.client()
    owner("PUT", FILE, data=b"content")

    def lock(_: Any, **__: Any) -> None:
        world.set_bucket(locked=True)

    owner.open(key="data.txt")
    with before_upload_abort.connected_to(lock):
        answer = owner("DELETE", FILE)
    assert (answer.status_code, answer.json["code"]) == (403, "bucket_locked")
    assert download(world) == b"content"


def test_delete_leaves_a_marker_as_invenio_does(world: RecordsWorld):
    owner = world.client()
    owner("PUT", FILE, data=b"content")
    owner("PUT", file_path("z.txt"), data=b"z")
    told = []

    def deleted(sender: Any, obj: Any) -> None:
        told.append((sender.name, obj.key, obj.file.size))

    with file_deleted.connected_to(deleted):
        assert owner("DELETE", FILE).status_code == 204
    assert told == [("records", "data.txt", 7)]
    assert [entry["key"] for entry in world.files()] == ["z.txt"]
    assert world.bucket().size == 1
    for method in ("GET", "DELETE"):
        answer = owner(method, FILE)
        assert (answer.status_code, answer.json["code"]) == (404, "file_not_found")
    assert ObjectVersion.get_versions(world.bucket(), "data.txt").count() == 2


def test_delete_ends_the_upload_and_deletes_the_version_that_is_there(world: RecordsWorld, rclone: S3Server):
    owner = world.client()
    owner("PUT", FILE, data=b"content")
    owner.open(key="data.txt")
    assert owner("DELETE", FILE).status_code == 204
    assert rclone.client().list_multipart_uploads(Bucket=world.upload("data.txt").s3_bucket).get("Uploads", []) == []
    assert (world.files(), world.bucket().size) == ([], 0)
    assert owner("GET", FILE).status_code == 404
    assert owner.act("complete", "data.txt").json["code"] == "upload_aborted"


def test_delete_of_a_file_that_was_just_completed_deletes_it(world: RecordsWorld):
    owner = world.client()
    owner.open(key="data.txt", size=5)
    url = world.service.sign(world.upload("data.txt"), [1])[0].url
    requests.put(url, data=b"quick", timeout=30).raise_for_status()

    def complete(_: Any, upload: Any, **__: Any) -> None:
        world.service.complete(upload)

    with before_upload_abort.connected_to(complete):
        answers = [owner("DELETE", FILE) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [409, 204]
    assert (world.files(), owner("GET", FILE).status_code) == ([], 404)


@pytest.mark.parametrize("key", ["no-such.txt", "nul\0", "ů"])
def test_unknown_file_is_unknown(world: RecordsWorld, key: str):
    for method in ("GET", "DELETE"):
        answer = world.client()(method, file_path(key))
        assert (answer.status_code, answer.json["code"]) == (404, "file_not_found")


def test_store_that_is_away_shows_nothing_of_itself(
    make_world: Callable[..., RecordsWorld], server_settings: dict[str, Any]
):
    nowhere = {"S3_ENDPOINT_URL": "http://127.0.0.1:9", "S3_MULTIPART_STORE_ATTEMPTS": 1}
    world = make_world(**(server_settings | nowhere))
    opened = world.client().open()
    assert opened.status_code == 503
    assert "127.0.0.1" not in opened.text
    stored = world.client()("PUT", FILE, data=b"content")
    assert (stored.status_code, stored.json["code"], stored.headers["Retry-After"]) == (503, "store_unavailable", "5")
    assert "127.0.0.1" not in stored.text
    assert (world.files(), world.bucket().size) == ([], 0)


def test_parts_go_to_the_server_and_the_file_comes_back(world: RecordsWorld):
    content = {1: b"a" * 5 * MIB, 2: b"b" * MIB}
    opened = world.client().open(key="data.txt", size=6 * MIB, name="Data").json["multipart_upload"]
    etags = {}
    for number, url in enumerate(opened["parts_url"], 1):
        answer = requests.put(url, data=content[number], timeout=30)
        answer.raise_for_status()
        etags[number] = answer.headers["ETag"]
    parts = [{"ETag": etag, "PartNum": number} for number, etag in etags.items()]
    completed = world.client()("POST", opened["complete_url"], json={"parts": parts})
    assert completed.status_code == 200
    assert download(world) == content[1] + content[2]
    (entry,) = world.files()
    assert (entry["name"], entry["checksum"]) == ("Data", completed.json["checksum"])

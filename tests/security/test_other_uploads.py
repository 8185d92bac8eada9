# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What belongs to one upload, tried on another: at the stores, and over REST."""

import http.client
from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from oarepo_s3.uploads.models import Upload
from tests.integration.records_app import RecordsWorld, file_path
from tests.store.stores import put

from .conftest import CAPABILITY, MakeWorld, no_effect

BODY = b"x" * 1000


def opened(world: RecordsWorld, pid: str, key: str = "data.zip") -> tuple[Upload, str]:
    """An upload of a single part, and the URL of that."""
    answer = world.client().open(key=key, pid=pid, size=len(BODY))
    assert answer.status_code == 201
    return world.upload(key, pid), answer.json["multipart_upload"]["parts_url"][0]


def parameter(url: str, name: str) -> str:
    """A parameter of a URL, as it stands there."""
    return quote(parse_qs(urlsplit(url).query)[name][0], safe="")


def with_upload_id(url: str, other: str) -> str:
    return url.replace(parameter(url, "uploadId"), parameter(other, "uploadId"))


def with_key(url: str, other: str) -> str:
    return url.replace(urlsplit(url).path, urlsplit(other).path)


def with_key_and_upload_id(url: str, other: str) -> str:
    return with_upload_id(with_key(url, other), other)


def with_part_number(url: str, _: str) -> str:
    return url.replace("partNumber=1", "partNumber=2")


def with_longer_life(url: str, _: str) -> str:
    return url.replace(f"X-Amz-Expires={parameter(url, 'X-Amz-Expires')}", "X-Amz-Expires=604800")


def with_signature_of_the_other(url: str, other: str) -> str:
    return url.replace(parameter(url, "X-Amz-Signature"), parameter(other, "X-Amz-Signature"))


def without_pinned_length(url: str, _: str) -> str:
    return url.replace("content-length%3Bhost", "host")


def as_whole_object(url: str, _: str) -> str:
    return url.replace("partNumber=1&", "").replace(f"uploadId={parameter(url, 'uploadId')}&", "")


EDITS = [
    with_upload_id, with_key, with_key_and_upload_id, with_part_number, with_longer_life, with_signature_of_the_other,
    without_pinned_length, as_whole_object,
]  # fmt: skip


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_an_edited_url_is_refused_by_the_store(real_world: RecordsWorld, edit: Callable[[str, str], str]):
    (ours, url), (theirs, other) = opened(real_world, "1"), opened(real_world, "2")
    edited = edit(url, other)
    assert edited != url
    assert put(edited, BODY).status == 403
    store = real_world.service.context.store
    for upload in (ours, theirs):
        assert store.list_parts(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "") == []
        assert store.head_object(upload.s3_bucket, upload.s3_key) is None
    assert put(url, BODY).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST"])
def test_a_part_url_is_good_for_put_only(real_world: RecordsWorld, method: str):
    upload, url = opened(real_world, "1")
    assert put(url, BODY).status == 200
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.request(method, f"{parts.path}?{parts.query}", BODY)
    assert connection.getresponse().status in (403, 501)  # Swift knows no POST of a part
    connection.close()
    listed = real_world.service.parts(upload).parts
    assert [(part.number, part.size) for part in listed] == [(1, len(BODY))]


def test_a_url_is_of_no_use_after_the_upload_has_ended(real_world: RecordsWorld):
    upload, url = opened(real_world, "1")
    assert real_world.client().act("abort").status_code == 200
    assert put(url, BODY).status in (404, 400)
    assert real_world.service.context.store.head_object(upload.s3_bucket, upload.s3_key) is None


@pytest.mark.parametrize("action", ["complete", "abort", "sign", "parts"])
def test_an_upload_is_not_found_in_another_record(world: RecordsWorld, action: str):
    """The same key, and the caller may write both records."""
    opened(world, "1")
    with no_effect(world):
        answer = world.client().act(action, pid="2", json={"parts": [1]} if action == "sign" else {})
    assert (answer.status_code, answer.json["code"]) == (404, "upload_not_found")


@pytest.mark.parametrize("capability", [False, True])
@pytest.mark.parametrize("path", ["1/presigned", "parts", "complete", "abort"])
def test_an_upload_id_is_good_for_its_own_file_only(make_world: MakeWorld, path: str, capability: bool):
    world = make_world(**(CAPABILITY if capability else {}))
    (ours, _), (theirs, _), (third, _) = opened(world, "1"), opened(world, "2"), opened(world, "1", "other.zip")
    method = {"complete": "POST", "abort": "DELETE"}.get(path, "GET")
    with no_effect(world):
        for key, pid, upload in (
            ("data.zip", "1", theirs), ("data.zip", "2", ours), ("data.zip", "1", third), ("other.zip", "1", ours),
        ):  # fmt: skip
            answer = world.client()(method, f"{file_path(key, pid)}/{upload.public_id}/{path}", json={})
            assert (answer.status_code, answer.json["code"]) == (404, "upload_not_found")


def test_the_stores_own_upload_id_opens_nothing(make_world: MakeWorld):
    """It is in the URLs, so it is no secret."""
    world = make_world(**CAPABILITY)
    upload, _ = opened(world, "1")
    stored = (upload.s3_upload_id or "").ljust(43, "A")[:43]
    for name in (stored, str(upload.id).ljust(43, "A"), upload.public_id.swapcase()):
        assert world.client(None)("GET", f"{file_path('data.zip')}/{name}/parts").status_code == 404

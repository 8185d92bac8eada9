# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Nothing that a request says chooses where we or the client go, or adds a header."""

import http.client
import json
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from oarepo_s3.errors import StoreError
from oarepo_s3.store.client import S3Client
from tests.integration.records_app import MIB, RecordsWorld, file_path
from tests.servers.s3 import S3Server
from tests.store.stores import put

from .conftest import MakeWorld, no_effect

STORE = "https://fake-store.invalid"
EVIL = "evil.example"
OTHER_STORE = {
    "endpoint": f"http://{EVIL}/", "endpoint_url": f"http://{EVIL}/", "url": f"http://{EVIL}/", "uri": f"s3://{EVIL}/k",
    "bucket": EVIL, "s3_bucket": EVIL, "base_uri": f"s3://{EVIL}", "location": EVIL, "complete_url": f"http://{EVIL}/",
    "abort_url": f"http://{EVIL}/", "region": "x", "storage_class": "x", "transfer": {"type": "R", "url": f"http://{EVIL}/"},
    "acl": "public-read", "stamp": "x", "upload_id": "x", "uploadId": "x", "expires": 10**9, "owner": "admin",
}  # fmt: skip
"""Fields that would choose a place, a right or a life, were they read."""

SPOOFED = {
    "X-Forwarded-Host": EVIL, "X-Forwarded-Proto": "gopher", "X-Forwarded-Server": EVIL, "Forwarded": f"host={EVIL}",
    "X-Original-URL": "/evil", "X-Rewrite-URL": "/evil", "X-Host": EVIL, "Origin": f"https://{EVIL}",
    "Referer": f"https://{EVIL}/", "X-HTTP-Method-Override": "DELETE",
}  # fmt: skip


def urls_of(document: Any) -> list[str]:
    """Every address in an answer."""
    if isinstance(document, dict):
        return [url for value in document.values() for url in urls_of(value)]
    if isinstance(document, list):
        return [url for value in document for url in urls_of(value)]
    return [document] if isinstance(document, str) and "://" in document else []


@pytest.mark.parametrize("field", OTHER_STORE)
def test_no_field_chooses_the_store(world: RecordsWorld, field: str):
    plain, given = world.client(), {field: OTHER_STORE[field]}
    answer = plain("POST", "/draft/records/1/files/?multipart=True", json={"key": "k", "size": 12 * MIB, **given})
    assert answer.status_code == 201
    upload = world.upload("k")
    assert (upload.s3_bucket, upload.created_by) == ("files", "owner")
    assert {urlsplit(url).netloc for url in answer.json["multipart_upload"]["parts_url"]} == {"fake-store.invalid"}
    assert (upload.expires_at - upload.created).total_seconds() == world.service.context.rules.upload_expiration
    assert EVIL not in json.dumps(answer.json["multipart_upload"])
    assert {call.args[0] for call in world.store.calls} == {"files"}


@pytest.mark.parametrize("header", SPOOFED)
def test_no_header_but_host_chooses_an_address(world: RecordsWorld, header: str):
    answer = world.client()(
        "POST", "/draft/records/1/files/?multipart=True", json={"key": "k", "size": 12 * MIB},
        headers={header: SPOOFED[header]},
    )  # fmt: skip
    assert answer.status_code == 201
    addresses = {f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in urls_of(answer.json)}
    assert addresses == {STORE, "http://localhost"}
    assert EVIL not in str(answer.headers)


def test_a_host_that_is_not_trusted_is_refused(make_world: MakeWorld):
    """Addresses of ours are made of the Host header, as url_for makes them: TRUSTED_HOSTS is what checks it."""
    world = make_world(TRUSTED_HOSTS=["repository.example", "localhost"])
    body = {"key": "k", "size": 12 * MIB}
    with no_effect(world):
        for host in (EVIL, f"repository.example.{EVIL}", f"repository.example@{EVIL}"):
            answer = world.client()("POST", "/draft/records/1/files/?multipart=True", json=body, headers={"Host": host})
            assert (answer.status_code, answer.mimetype) == (400, "application/json")
    answer = world.client()(
        "POST", "/draft/records/1/files/?multipart=True", json=body, headers={"Host": "repository.example"}
    )
    assert urlsplit(answer.json["multipart_upload"]["complete_url"]).netloc == "repository.example"


def test_a_spoofed_host_never_reaches_the_store_nor_the_row(world: RecordsWorld):
    """Without TRUSTED_HOSTS it reaches the one answer to the one who sent it."""
    answer = world.client()(
        "POST", "/draft/records/1/files/?multipart=True", json={"key": "k", "size": 12 * MIB}, headers={"Host": EVIL}
    )
    assert {urlsplit(url).netloc for url in answer.json["multipart_upload"]["parts_url"]} == {"fake-store.invalid"}
    upload = world.upload("k")
    assert EVIL not in repr(upload)
    assert EVIL not in repr(world.store.calls)
    assert EVIL not in json.dumps(world.client().act("parts", "k").json)


# header splitting -----------------------------------------------------------------------------------------------------

SPLITTING_KEYS = [
    'a".zip', "a;b.zip", "a\u2028b.zip", "ä\u202egpj.exe", "a%0d%0aX-Evil: 1.zip", "a%00.zip",
    "a\\r\\nX-Evil: 1.zip", "💾.zip", "a'b.zip", "a b .zip", "%", "a?b#c&d=e+f.zip", "<script>.html", "a" * 200,
    "..a", "a//b",
]  # fmt: skip
SPLITTING_TYPES = [
    "text/plain\r\nX-Evil: 1", "text/plain\nX-Evil: 1", "text/plain\rX", "text/plain; a=b\r\nX-Evil: 1", "text/plain\0",
    "text/plain\n", "\ntext/plain", "text/plain; a=\u2028", "text/plain; a=ä", "text", "text/", "/", "a/b/c",
    "text/plain,a/b", "text/pl ain", "text/plain;\tx", "text/plain; x\x7f",
]  # fmt: skip
CONTROL_KEYS = ["a\r\nX-Evil: 1.zip", "a\nb.zip", "a\rb.zip", "a\0b.zip", "a\x1bb.zip", "a\x7fb.zip", "a\x85b.zip"]


@pytest.mark.parametrize("content_type", SPLITTING_TYPES, ids=repr)
def test_media_types_that_would_split_a_header(world: RecordsWorld, content_type: str):
    with no_effect(world):
        answer = world.client().open(multipart_content_type=content_type)
    assert (answer.status_code, answer.json["code"]) == (400, "bad_request")


@pytest.mark.parametrize("key", CONTROL_KEYS, ids=repr)
def test_keys_that_would_split_a_header(world: RecordsWorld, key: str):
    with no_effect(world):
        answer = world.client().open(key=key)
        assert (answer.status_code, answer.json["code"]) == (400, "invalid_key")
        for user in ("owner", "reader"):
            assert world.client(user)("GET", file_path(key)).status_code == 404


@pytest.mark.parametrize("key", SPLITTING_KEYS, ids=repr)
@pytest.mark.parametrize("query", ["", "?download"])
def test_a_download_of_an_odd_key_has_the_headers_it_should(world: RecordsWorld, key: str, query: str):
    world.add_file(key)
    answer = world.client("reader")("GET", file_path(key) + query)
    assert answer.status_code == 302
    location = urlsplit(answer.headers["Location"])
    assert f"{location.scheme}://{location.netloc}" == STORE
    assert "X-Evil" not in answer.headers
    lines = parse_qs(location.query).get("response-content-disposition", [""])
    assert not any(character in line for line in lines for character in "\r\n\0")
    assert answer.data == b""
    if query:
        (disposition,) = lines
        assert disposition.startswith("attachment")
        assert disposition.replace('\\"', "").count('"') in (0, 2), disposition


def test_the_object_at_the_store_has_the_media_type_and_nothing_more(server: S3Server):
    """Past our own checks, the client of the store itself must not let a header through."""
    store = S3Client(
        server.access_key,
        server.secret_key,
        {"endpoint_url": server.endpoint, "region_name": server.region},
        attempts=1,
    )
    bucket = server.create_bucket()
    for content_type in ("text/plain\r\nx-amz-acl: public-read", "text/plain\nx-amz-meta-evil: 1"):
        with pytest.raises((StoreError, ValueError)):
            store.create_upload(bucket, "key", content_type=content_type, stamp="stamp")
    assert list(store.list_uploads(bucket)) == []


@pytest.mark.parametrize("key", ['a"b;c%0d%0aX-Evil: 1.txt', "💾 ž.txt"])
def test_an_odd_key_at_a_real_store(real_world: RecordsWorld, key: str):
    client = real_world.client()
    (url,) = client.open(key=key, size=4, multipart_content_type="text/plain; charset=utf-8").json["multipart_upload"][
        "parts_url"
    ]
    assert unquote(quote(key)) not in unquote(url)
    assert put(url, b"body").status == 200
    assert client.act("complete", key).status_code == 200
    redirect = urlsplit(real_world.client("reader")("GET", f"{file_path(key)}?download").headers["Location"])
    connection = http.client.HTTPConnection(redirect.netloc, timeout=30)
    connection.request("GET", f"{redirect.path}?{redirect.query}")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"body")
    assert response.getheader("X-Evil") is None
    assert "attachment" in (response.getheader("Content-Disposition") or "attachment")
    connection.close()

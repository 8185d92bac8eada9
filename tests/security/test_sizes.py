# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""More or less is sent than was declared: the store refuses it, or completion does, and nothing is left."""

import socket
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from invenio_db import db
from invenio_files_rest.models import FileInstance, ObjectVersion

from oarepo_s3.uploads.aborting import IN_FLIGHT
from tests.integration.records_app import MIB, RecordsWorld, file_path
from tests.store.stores import put

from .conftest import MakeWorld

DECLARED = 10 * MIB
SENT = 5 * 2**30


def nothing_left(world: RecordsWorld) -> None:
    """The database is as if there never was an upload; nor has the store anything of it."""
    db.session.commit()
    assert db.session.query(FileInstance).count() == 0
    assert db.session.query(ObjectVersion).count() == 0
    assert world.files() == []
    (size,) = world.service.check_sizes(world.bucket().id)
    assert (size.recorded, size.recomputed) == (0, 0)


def expire(world: RecordsWorld) -> None:
    """Sweep after the end of the upload, and once more after the last part may have arrived."""
    world.clock.forward(seconds=world.service.context.rules.upload_expiration + 1)
    assert world.service.sweep().expired == 1
    world.clock.forward(seconds=(IN_FLIGHT + timedelta(days=1)).total_seconds())
    assert world.service.sweep().failed == 0


def status_of_header(url: str, length: int) -> int:
    """What a store answers to the header of a PUT alone, before any of so many bytes is sent."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=30) as connection:
        head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {length}\r\n"
        connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        return int(connection.recv(4096).split()[1])


@pytest.mark.parametrize("difference", [-1, 1, -DECLARED, DECLARED, SENT - 5 * MIB])
def test_a_part_of_another_size_is_refused_by_the_header_alone(real_world: RecordsWorld, difference: int):
    first = real_world.client().open(size=DECLARED).json["multipart_upload"]["parts_url"][0]
    assert status_of_header(first, max(5 * MIB + difference, 0)) == 403
    assert real_world.service.parts(real_world.upload()).parts == []


@pytest.mark.parametrize("length", [0, 999, 1001])
def test_a_part_of_another_size_is_refused_with_its_body(real_world: RecordsWorld, length: int):
    """A short one: rclone answers and hangs up without reading the body."""
    (url,) = real_world.client().open(size=1000).json["multipart_upload"]["parts_url"]
    assert put(url, b"x" * length).status == 403
    upload = real_world.upload()
    assert real_world.service.parts(upload).parts == []
    assert real_world.client().act("complete").status_code == 409
    expire(real_world)
    nothing_left(real_world)
    assert list(real_world.service.context.store.list_uploads(upload.s3_bucket, upload.s3_key)) == []


def test_a_length_in_chunks_instead_is_refused(real_world: RecordsWorld):
    url = real_world.client().open(size=DECLARED).json["multipart_upload"]["parts_url"][0]
    parts = urlsplit(url)
    assert parts.hostname is not None
    head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=30) as connection:
        connection.sendall(head.encode() + b"1\r\nx\r\n0\r\n\r\n")
        assert int(connection.recv(4096).split()[1]) in (400, 403, 411)
    assert real_world.service.parts(real_world.upload()).parts == []


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("parts", [{1: SENT}, {1: 5 * MIB, 2: SENT}, {1: 5 * MIB, 2: 5 * MIB, 3: SENT}])
def test_a_store_that_takes_any_length_cannot_make_a_bigger_file(
    make_world: MakeWorld, parts: dict[int, int], pinned: bool
):
    world = make_world(S3_MULTIPART_PIN_CONTENT_LENGTH=pinned)
    world.client().open(size=DECLARED)
    upload = world.upload()
    for number, size in parts.items():
        world.put_part(upload, number, size)
    answer = world.client().act("complete")
    assert (answer.status_code, answer.json["code"]) == (409, "parts_mismatch")
    assert world.bucket().size == DECLARED
    assert world.client("reader")("GET", file_path("data.zip")).status_code == 404
    expire(world)
    nothing_left(world)
    assert (world.store.uploads(), world.store.objects()) == ([], {})


@pytest.mark.parametrize("parts", [{1: SENT}, {1: 5 * MIB, 2: SENT}, {1: 5 * MIB, 2: 5 * MIB - 1}])
def test_a_client_of_1_4_cannot_make_another_file_either(world: RecordsWorld, parts: dict[int, int]):
    """It chooses the sizes of the parts itself, so that no URL pins a length."""
    upload_id = world.client().open(size=DECLARED, part_size=None).json["uploadId"]
    address = f"{file_path('data.zip')}/{upload_id}"
    assert world.client()("GET", f"{address}/1,2/presigned").status_code == 200
    upload = world.upload()
    etags = {number: world.put_part(upload, number, size) for number, size in parts.items()}
    listed = [{"PartNumber": number, "ETag": etag} for number, etag in etags.items()]
    answer = world.client()("POST", f"{address}/complete", json={"parts": listed})
    assert (answer.status_code, answer.json["code"]) == (409, "parts_mismatch")
    expire(world)
    nothing_left(world)
    assert (world.store.uploads(), world.store.objects()) == ([], {})


def test_an_object_that_grew_behind_our_back_is_deleted(world: RecordsWorld):
    """Parts are checked, then replaced by bigger ones before the store joins them."""
    world.client().open(size=DECLARED)
    upload = world.upload()
    world.put_parts(upload)
    world.store.on("complete_upload", lambda: world.put_part(upload, 2, SENT, "2"))
    answer = world.client().act("complete")
    assert answer.status_code in (409, 410)
    assert world.client("reader")("GET", file_path("data.zip")).status_code == 404
    expired = answer.status_code == 410 or expire(world) is None
    assert expired
    nothing_left(world)
    assert world.store.objects() == {}

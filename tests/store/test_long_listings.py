# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Listings that are longer than a page, which has 1,000 entries at most stores."""

import http.client
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from tests.store.stores import FACTS, StoreCase, connect, fake_store

PARTS = 1_003
LANES = 4


def _put_parts(case: StoreCase, key: str, upload_id: str) -> None:
    """Put PARTS parts of a byte each, over few connections."""
    signer = case.signer(key, upload_id)

    def lane(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", case.server.port, timeout=60)
        for number in range(first, PARTS + 1, LANES):
            url = urlsplit(signer.url(number))
            connection.request("PUT", f"{url.path}?{url.query}", b"x")
            response = connection.getresponse()
            answer = response.read()
            assert response.status == 200, answer
        connection.close()

    with ThreadPoolExecutor(LANES) as pool:
        list(pool.map(lane, range(1, LANES + 1)))


@pytest.mark.parametrize("name", ["ceph_small_parts", "rclone", "swift", "moto_server"])
def test_more_parts_than_a_page_has(name: str, request: pytest.FixtureRequest):
    server = request.getfixturevalue(name)
    case = StoreCase(
        FACTS["ceph" if name == "ceph_small_parts" else name], connect(server), server.create_bucket(), server
    )
    upload_id = case.create("key").upload_id
    _put_parts(case, "key", upload_id)
    parts = case.store.list_parts(case.s3_bucket, "key", upload_id)
    assert [part.number for part in parts] == list(range(1, PARTS + 1))
    if name in ("ceph_small_parts", "rclone"):
        case.store.complete_upload(case.s3_bucket, "key", upload_id, parts)
        assert case.store.head_object(case.s3_bucket, "key").size == PARTS
    else:
        case.store.abort_upload(case.s3_bucket, "key", upload_id)


def test_more_parts_than_a_page_has_in_the_fake():
    case = StoreCase(FACTS["fake_like_rclone"], fake_store("fake_like_rclone"), "bucket")
    upload_id = case.upload("key", *[b"x"] * PARTS)
    case.complete("key", upload_id)
    assert case.store.head_object("bucket", "key").size == PARTS


def test_more_uploads_than_a_page_has(ceph_small_parts):
    case = StoreCase(FACTS["ceph"], connect(ceph_small_parts), ceph_small_parts.create_bucket(), ceph_small_parts)
    with ThreadPoolExecutor(LANES) as pool:
        created = set(pool.map(lambda number: case.create(f"key-{number % 3}").upload_id, range(PARTS)))
    listed = [upload.upload_id for upload in case.store.list_uploads(case.s3_bucket)]
    assert len(listed) == len(created) == PARTS
    assert set(listed) == created

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Inspecting an upload over REST, and getting fresh URLs for it."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.records_app import MIB, RecordsWorld

MD5 = "1B2M2Y8AsgTpgAmY7PhCfg=="


MD5 = "1B2M2Y8AsgTpgAmY7PhCfg=="


def test_parts_tells_state_plan_and_what_has_arrived_page_by_page(world: RecordsWorld):
    owner = world.client()
    owner.open(size=2_001 * 5 * MIB)
    upload = world.upload()
    etags = world.put_parts(upload, *range(2, 2_001))
    pages = [owner.act("parts", query_string={"page": page}).json for page in (1, 2, 3)]
    assert [len(page["parts"]) for page in pages] == [1000, 999, 0]
    assert pages[0]["parts"][0] == {"part": 2, "size": 5 * MIB, "etag": etags[2]}
    assert pages[0]["links"]["next"].endswith("data.zip/parts-multipart?page=2")
    assert "next" not in pages[1]["links"]
    assert pages[0]["missing"] == [[1, 1], [2001, 2001]]
    assert pages[0]["plan"] == {"size": upload.size, "part_size": 5 * MIB, "parts_count": 2001}
    assert (pages[0]["state"], pages[0]["parts_total"]) == ("open", 1999)
    assert pages[0]["expires_at"] == upload.expires_at.isoformat()


@pytest.mark.parametrize("page", ["0", "x", "-1", "1.5"])
def test_page_that_cannot_be_is_named(world: RecordsWorld, etags: dict[int, str], page: str):
    answer = world.client().act("parts", query_string={"page": page})
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (400, "page")


@pytest.mark.parametrize(
    ("wanted", "numbers"), [("1-2,3", [1, 2, 3]), ([3, 1, 1], [1, 3]), ("all", [1, 2, 3]), ([], [])]
)
def test_sign_gives_urls_that_expire(world: RecordsWorld, etags: dict[int, str], wanted: Any, numbers: list[int]):
    signed = world.client().act("sign", json={"parts": wanted}).json["parts"]
    assert [part["part"] for part in signed] == numbers
    for part in signed:
        query = parse_qs(urlsplit(part["url"]).query)
        assert query["partNumber"] == [str(part["part"])]
        assert query["X-Amz-SignedHeaders"] == ["content-length;host"]
        assert part["expires_at"] <= (world.clock.now + timedelta(hours=1)).isoformat()


def test_sign_takes_md5_of_parts_into_the_url(world: RecordsWorld, etags: dict[int, str]):
    (part,) = world.client().act("sign", json={"parts": "2", "content_md5": {"2": MD5}}).json["parts"]
    assert parse_qs(urlsplit(part["url"]).query)["X-Amz-SignedHeaders"] == ["content-length;content-md5;host"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "bad_request"),
        ({"parts": None}, "bad_request"),
        ({"parts": 5}, "bad_request"),
        ({"parts": [True]}, "bad_request"),
        ({"parts": ["1"]}, "bad_request"),
        ({"parts": "x"}, "invalid_part_list"),
        ({"parts": "1,,2"}, "invalid_part_list"),
        ({"parts": "4"}, "invalid_part_number"),
        ({"parts": [4]}, "invalid_part_number"),
        ({"parts": [0]}, "invalid_part_number"),
        ({"parts": [-1]}, "invalid_part_number"),
        ({"parts": [1] * 10_001}, "invalid_part_list"),
        ({"parts": [1], "content_md5": {"1": "short"}}, "bad_request"),
        ({"parts": [1], "content_md5": {"1": 5}}, "bad_request"),
        ({"parts": [1], "content_md5": {"x": MD5}}, "bad_request"),
        ({"parts": [1], "content_md5": []}, "bad_request"),
    ],
)
def test_sign_refuses_what_the_upload_does_not_have(
    world: RecordsWorld, etags: dict[int, str], body: dict[str, Any], code: str
):
    answer = world.client().act("sign", json=body)
    assert (answer.status_code, answer.json["code"]) == (400, code)

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What an uploader is told, and which parts it may ask for."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from oarepo_s3.errors import InvalidPartList, InvalidPartNumber
from oarepo_s3.store.contract import StoredPart
from oarepo_s3.uploads.description import (
    SignedPart,
    arrived,
    config_of,
    first_numbers,
    numbers_of,
    parts_with_urls,
    session_of,
)
from oarepo_s3.uploads.models import Upload, slot_of
from oarepo_s3.uploads.states import State

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SIGNED = [SignedPart(1, "https://s3/1?X-Amz-Signature=s3cr3t", NOW), SignedPart(2, "https://s3/2", NOW)]


def make_upload(**facts: Any) -> Upload:
    """An open upload of 25 bytes in three parts."""
    bucket_id = uuid.UUID(int=1)
    values: dict[str, Any] = dict.fromkeys(Upload.__dataclass_fields__) | {
        "id": uuid.UUID(int=2), "public_id": "public", "state": State.OPEN, "slot": slot_of(bucket_id, "a"),
        "bucket_id": bucket_id, "key": "a", "s3_bucket": "files", "s3_key": "aa/bb/data", "s3_upload_id": "at-store",
        "size": 25, "part_size": 10, "parts_count": 3, "complete_url": "https://x/complete", "abort_url": None,
        "expires_at": NOW, "claims": 0, "attempts": 0,
    }  # fmt: skip
    return Upload(**(values | facts))


@pytest.mark.parametrize(
    ("ranges", "numbers"),
    [
        ("1", [1]),
        ("10", [10]),
        ("1-3", [1, 2, 3]),
        ("3-3", [3]),
        ("2,1", [1, 2]),
        ("1-3,2-4,4", [1, 2, 3, 4]),
        (" 1 , 2-3 ", [1, 2, 3]),
        ("0000001", [1]),
        ("none", []),
        ("all", list(range(1, 11))),
    ],
)
def test_ranges(ranges: str, numbers: list[int]) -> None:
    assert numbers_of(ranges, last=10, most=10) == numbers


@pytest.mark.parametrize(
    "ranges",
    ["", ",", "1,", "-", "1-", "-1", "a", "1-a", "1-2-3", "1.5", "+1", "1 -2", "0x1", "\u0661", "1-\u00b2", "00000001",
     "ALL", "All", "none,1", "1-11,1", "1-5,1-5,1"],
)  # fmt: skip
def test_ranges_that_cannot_be_read_or_ask_for_too_much(ranges: str) -> None:
    with pytest.raises(InvalidPartList):
        numbers_of(ranges, last=10, most=10)


@pytest.mark.parametrize(
    ("ranges", "part"), [("0", 0), ("11", 11), ("0-1", 0), ("10-11", 11), ("3-2", 2), ("1,12", 12)]
)
def test_parts_that_the_upload_has_not(ranges: str, part: int) -> None:
    with pytest.raises(InvalidPartNumber) as refused:
        numbers_of(ranges, last=10, most=10)
    assert refused.value.details == {"part": part}


def test_no_list_gets_round_the_limit() -> None:
    for ranges in ("all", "1-4", "1-9999999,9999999-1", "1-2,2-1,3-4"):
        with pytest.raises((InvalidPartList, InvalidPartNumber)):
            numbers_of(ranges, last=10_000, most=3)
    with pytest.raises(InvalidPartList) as refused:
        numbers_of("all", last=4, most=3)
    assert refused.value.details == {"limit": 3}


@pytest.mark.parametrize(("count", "numbers"), [(0, []), (1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (4, [1, 2, 3])])
def test_first_numbers(count: int, numbers: list[int]) -> None:
    assert first_numbers(make_upload(), count) == numbers


def test_session_has_the_names_that_deployed_uploaders_read() -> None:
    session = session_of(make_upload(), iter(SIGNED), {"sign_url": "https://x/sign"})
    assert session == {
        "id": str(uuid.UUID(int=2)),
        "upload_id": "public",
        "state": "open",
        "key": "aa/bb/data",
        "bucket": "files",
        "size": 25,
        "part_size": 10,
        "parts_count": 3,
        "chunk_size": 10,
        "num_chunks": 3,
        "expires_at": "2026-05-04T12:00:00+00:00",
        "parts_url": [part.url for part in SIGNED],
        "parts": parts_with_urls(SIGNED),
        "complete_url": "https://x/complete",
        "abort_url": None,
        "sign_url": "https://x/sign",
    }
    assert json.loads(json.dumps(session)) == session


def test_urls_of_a_face_go_before_those_of_the_upload() -> None:
    session = session_of(make_upload(), [], {"complete_url": "https://y", "abort_url": "https://z"})
    assert (session["complete_url"], session["abort_url"], session["parts"]) == ("https://y", "https://z", [])


def test_parts_in_answers() -> None:
    assert parts_with_urls(SIGNED)[1] == {"part": 2, "url": "https://s3/2", "expires_at": NOW.isoformat()}
    assert arrived([StoredPart(1, 5, "e")]) == [{"part": 1, "size": 5, "etag": "e"}]


def test_config_for_signals_has_no_url() -> None:
    config = config_of(make_upload())
    assert config == {
        "upload_id": "public", "key": "aa/bb/data", "bucket": "files", "size": 25, "part_size": 10, "parts_count": 3,
    }  # fmt: skip


def test_no_secret_is_shown() -> None:
    assert "s3cr3t" not in repr(SIGNED)
    shown = repr(make_upload(public_id="s3cr3t", s3_upload_id="s3cr3t"))
    assert "s3cr3t" not in shown
    assert "state=<State.OPEN" in shown


def test_what_an_upload_knows_of_itself() -> None:
    upload = make_upload()
    assert upload.stamp == str(upload.id)
    assert upload.file_uri == "s3://files/aa/bb/data"
    assert upload.plan.size_of(3) == 5


def test_slot_tells_buckets_and_keys_apart() -> None:
    first, second = uuid.UUID(int=1), uuid.UUID(int=2)
    slots = {slot_of(bucket, key) for bucket in (first, second) for key in ("a", "b", "\u00e9", "e\u0301", "\udc80")}
    assert len(slots) == 10
    assert {len(slot) for slot in slots} == {64}

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Plan, retries, integrity, pacing, count, options: what needs neither files nor servers."""

import hashlib
import threading
from datetime import UTC, datetime
from random import Random

import pytest

import oarepo_s3_client
from oarepo_s3_client import Cancel, Options
from oarepo_s3_client.errors import ServerTrouble, UsageError
from oarepo_s3_client.events import Event, Progress, Retry
from oarepo_s3_client.integrity import (
    composite_etag,
    is_md5,
    local_checksum,
    parse_checksum,
    same_object,
)
from oarepo_s3_client.pacing import BLOCK, SMALLEST_BLOCK, Pacing
from oarepo_s3_client.plan import MAX_PARTS, MIB, Part, Plan, make_plan, ranges_of, text_of
from oarepo_s3_client.progress import ByteCount
from oarepo_s3_client.retries import Backoff, FaultKind, StoreForgot, fault_of_store, is_passing, seconds_of
from oarepo_s3_client.servers.protocol import lifetime, origin_of

ETAG = "0cc175b9c0f1b6a831c399e269772661"

# plan -----------------------------------------------------------------------------------------------------------------


def test_the_last_part_has_what_is_left() -> None:
    plan = Plan(25, 10)
    assert [plan.part(n) for n in (1, 2, 3)] == [Part(1, 0, 10), Part(2, 10, 10), Part(3, 20, 5)]
    assert plan.bytes_of([1, 3]) == 15


@pytest.mark.parametrize("number", [0, 4])
def test_a_part_outside_the_plan(number: int) -> None:
    with pytest.raises(ValueError, match="no part"):
        Plan(25, 10).part(number)


@pytest.mark.parametrize(("size", "part_size"), [(-1, 1), (1, 0)])
def test_a_plan_that_cannot_be(size: int, part_size: int) -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        Plan(size, part_size)


def test_nothing_is_one_part() -> None:
    assert [Plan(0, 1).part(n) for n in range(1, Plan(0, 1).parts_count + 1)] == [Part(1, 0, 0)]


@pytest.mark.parametrize(
    ("size", "part_size"), [(1, 16 * MIB), (MAX_PARTS * 16 * MIB, 16 * MIB), (MAX_PARTS * 16 * MIB + 1, 17 * MIB)]
)
def test_parts_grow_with_the_file(size: int, part_size: int) -> None:
    assert make_plan(size).part_size == part_size
    assert make_plan(size).parts_count <= MAX_PARTS
    assert make_plan(size, 5).part_size == 5


def test_lists_of_numbers() -> None:
    assert ranges_of([5, 1, 2, 3, 3]) == [(1, 3), (5, 5)]
    assert text_of([5, 1, 2, 3]) == "1-3,5"
    assert text_of([]) == ""


# retries --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", FaultKind.EXPIRED),
        (401, "", FaultKind.EXPIRED),
        (400, "ExpiredToken", FaultKind.EXPIRED),
        (400, "RequestTimeout", FaultKind.RETRY),
        (400, "BadDigest", FaultKind.RETRY),
        (408, "", FaultKind.RETRY),
        (429, "", FaultKind.RETRY),
        (500, "InternalError", FaultKind.RETRY),
        (503, "SlowDown", FaultKind.RETRY),
        (404, "NoSuchUpload", FaultKind.FATAL),
        (400, "EntityTooLarge", FaultKind.FATAL),
        (301, "PermanentRedirect", FaultKind.FATAL),
    ],
)
def test_what_an_answer_of_the_store_calls_for(status: int, code: str, kind: FaultKind) -> None:
    body = f"<Error><Code>{code}</Code><Message>secret</Message></Error>".encode()
    fault = fault_of_store(status, body, 3.0)
    assert fault.kind is kind
    assert str(status) in fault.reason
    assert "secret" not in fault.reason
    assert fault.retry_after == (3.0 if kind is FaultKind.RETRY else None)
    assert isinstance(fault.error, StoreForgot) == (status == 404)


def test_waits_double_up_to_a_limit() -> None:
    backoff = Backoff(8, Random(1))
    waits = [backoff.wait(attempt) for attempt in range(1, 20)]
    for attempt, wait in enumerate(waits):
        longest = min(30.0, 0.5 * 2**attempt)
        assert longest / 2 <= wait <= longest
    assert backoff.wait(1, 77.0) == 77.0
    assert backoff.wait(1, 1e9) == 300.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("soon", None),
        ("Mon, 04 May 2026 12:00:09 GMT", 9.0),
        ("Mon, 04 May 2026 12:00:09 -0000", 9.0),
        ("Mon, 04 May 2026 11:00:00 GMT", 0.0),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert seconds_of(text, datetime(2026, 5, 4, 12, tzinfo=UTC)) == seconds


def test_passing_statuses() -> None:
    assert [status for status in (200, 400, 403, 404, 408, 409, 429, 500, 501, 503) if is_passing(status)] == [
        408, 429, 500, 503,
    ]  # fmt: skip


# integrity ------------------------------------------------------------------------------------------------------------


def test_composite() -> None:
    parts = [hashlib.md5(text).hexdigest() for text in (b"a", b"b")]
    joined = hashlib.md5(b"".join(bytes.fromhex(part) for part in parts)).hexdigest()
    assert composite_etag(parts) == f"{joined}-2"
    assert composite_etag([]) is None
    assert composite_etag([parts[0], "opaque"]) is None
    assert is_md5(parts[0])
    assert not is_md5(parts[0].upper())


@pytest.mark.parametrize(
    ("checksum", "same"),
    [
        (None, True),
        (f"multipart:{ETAG}-2-5", True),
        (f"multipart:{ETAG}-3-5", False),
        (f"etag:{ETAG}-2", True),
        (f"etag:{ETAG}-3", False),
        ("etag:something-opaque", True),
        ("md5:of the whole", True),
    ],
)
def test_same_object(checksum: str | None, same: bool) -> None:
    assert same_object(f"{ETAG}-2", checksum) is same
    assert same_object(None, checksum)


def test_local_checksums() -> None:
    content = b"0123456789" * 3

    def blocks(offset: int, size: int):  # type: ignore[no-untyped-def]
        for start in range(offset, offset + size, 4):
            yield memoryview(content[start : min(start + 4, offset + size)])

    md5 = parse_checksum(f"md5:{hashlib.md5(content).hexdigest().upper()}")
    assert md5 is not None
    assert local_checksum(md5, 30, blocks) == f"md5:{md5.value}"
    etags = [hashlib.md5(content[at : at + 20]).hexdigest() for at in (0, 20)]
    text = f"multipart:{composite_etag(etags)}-20"
    multipart = parse_checksum(text)
    assert multipart is not None
    assert (multipart.algorithm, multipart.part_size) == ("multipart", 20)
    assert local_checksum(multipart, 30, blocks) == text


@pytest.mark.parametrize("text", [None, "", "etag:x", "crc32:1", "md5:", "multipart:x-1-5"])
def test_checksums_that_say_nothing(text: str | None) -> None:
    assert parse_checksum(text) is None


# pacing ---------------------------------------------------------------------------------------------------------------


def test_a_rate_is_kept() -> None:
    now = 0.0
    pacing = Pacing(1000, lambda: now)
    waited = []
    for _ in range(20):
        wait = pacing.take(100)
        waited.append(wait)
        now += wait
    assert now == pytest.approx(1.9, abs=0.2)
    now += 100
    assert [pacing.take(100), pacing.take(100)] == [0.0, 0.0]
    assert pacing.take(100) > 0


def test_blocks_follow_the_rate() -> None:
    assert Pacing(None).block == BLOCK
    assert Pacing(None).take(10**9) == 0.0
    assert Pacing(100).block == SMALLEST_BLOCK
    assert Pacing(10**6).block == 10**5
    assert Pacing(10**9).block == BLOCK


# count ----------------------------------------------------------------------------------------------------------------


def test_bytes_are_honest() -> None:
    events: list[Event] = []
    count = ByteCount("t", "k", 100, events.append)
    count.begin(1)
    count.add(1, 30)
    count.end(1)
    count.begin(1)
    count.add(1, 30)
    count.end(1, 50)
    count.tell()
    count.lose(50)
    count.tell()
    assert count.moved == 60
    seen = [event.bytes for event in events if isinstance(event, Progress)]
    assert seen[0] == 30
    assert seen[-2:] == [50, 0]


# options, events, cancel ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [{"parallel": 0}, {"part_size": -1}, {"limit_rate": 0}, {"timeout": 0.0}, {"attempts": 0}]
)
def test_options_that_cannot_be(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError) as caught:
        Options(**wrong)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2


def test_secrets_are_not_shown() -> None:
    assert "sesame" not in repr(Options(token="sesame", proxy="http://user:sesame@proxy"))


def test_events_are_json_without_empty_fields() -> None:
    assert Retry("t", "k", None, "503", 1.5).as_dict() == {
        "type": "retry", "transfer": "t", "key": "k", "reason": "503", "wait": 1.5,
    }  # fmt: skip


def test_errors_have_codes_and_hints() -> None:
    error = ServerTrouble("No.", code="store_refused")
    assert (error.code, error.exit_code, str(error)) == ("store_refused", 1, "No.")
    assert error.hint
    assert ServerTrouble("No.", hint="").hint == ""


def test_cancel_wakes_and_tells() -> None:
    cancel, told = Cancel(), []
    assert not cancel.wait(0.001)
    with cancel.calling(lambda: told.append(1)):
        threading.Timer(0.01, cancel.cancel).start()
        assert cancel.wait(30)
    with cancel.calling(lambda: told.append(2)):
        assert cancel.cancelled
    assert told == [1, 2]


def test_names_are_imported_when_they_are_used() -> None:
    assert oarepo_s3_client.Options is Options
    with pytest.raises(AttributeError, match="Nothing"):
        _ = oarepo_s3_client.Nothing  # type: ignore[attr-defined]
    for name in oarepo_s3_client.__all__:
        assert getattr(oarepo_s3_client, name).__name__ == name


# protocol -------------------------------------------------------------------------------------------------------------


def test_origins() -> None:
    assert origin_of("https://Host/a") == origin_of("https://host:443/b")
    assert origin_of("https://host") != origin_of("http://host")
    assert origin_of("http://host:81") != origin_of("http://host")


@pytest.mark.parametrize(
    ("end", "date", "seconds"),
    [
        ("2026-05-04T12:00:30+00:00", "Mon, 04 May 2026 12:00:00 GMT", 30.0),
        ("2026-05-04T12:00:30", "Mon, 04 May 2026 12:00:00 GMT", 30.0),
        ("2026-05-04T11:00:00Z", "Mon, 04 May 2026 12:00:00 GMT", 0.0),
        ("whenever", "Mon, 04 May 2026 12:00:00 GMT", None),
        ("2026-05-04T12:00:30+00:00", "today", None),
        (None, "Mon, 04 May 2026 12:00:00 GMT", None),
    ],
)
def test_lifetimes_go_by_the_clock_of_the_server(end: str | None, date: str, seconds: float | None) -> None:
    assert lifetime(end, {"date": date}) == seconds
    assert lifetime("2020-01-01T00:00:00Z", {}) == 0.0

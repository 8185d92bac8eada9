# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Numbers, lists and bodies that nobody needs are refused before any work, and never at a cost that grows faster."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from oarepo_s3.config import S3_MULTIPART_BATCH_LIMIT
from oarepo_s3.rest.bodies import MAX_BODY
from tests.integration.records_app import MIB, RecordsWorld, file_path

from .conftest import MakeWorld, no_effect

FILES = "/draft/records/1/files/?multipart=True"
HUGE = "9" * 400

# As they stand in the body, since Python writes neither of some nor the other.
NUMBERS = [
    "0", "-1", "-9223372036854775808", "9223372036854775807", "9223372036854775808", "18446744073709551616", HUGE,
    f"-{HUGE}", "1e400", "1.5", "12582912.0", "1e3", "NaN", "Infinity", "-Infinity", "true", "false", '""', '"x"',
    '"-1"', '"1.5"', '"0x10"', f'"{HUGE}"', '"１２"', "[]", "[1]", "{}", '{"size": 1}',
]  # fmt: skip
"""Neither a size nor a part size; null is no size, and asks for a plan of ours as a part size."""


def refused(answer: Any, *statuses: int) -> None:
    """A clean answer that says what is wrong and does not hold the whole request up to the sender."""
    assert answer.status_code in (statuses or (400,)), answer.text[:500]
    assert answer.json["code"]
    assert len(answer.data) < 20_000


def opening(**fields: str) -> str:
    """A body that opens an upload, with fields written as they are."""
    given = {"key": '"data.zip"', "size": str(12 * MIB), "part_size": str(5 * MIB)} | fields
    return "{" + ", ".join(f'"{name}": {value}' for name, value in given.items()) + "}"


def post(world: RecordsWorld, path: str, body: str | bytes, content_type: str = "application/json") -> Any:
    return world.client()("POST", path, data=body, content_type=content_type)


@pytest.mark.parametrize("number", [*NUMBERS, "null"], ids=lambda text: text[:24])
def test_sizes(world: RecordsWorld, number: str):
    with no_effect(world):
        refused(post(world, FILES, opening(size=number)))


@pytest.mark.parametrize("number", [number for number in NUMBERS if number != "9223372036854775807"], ids=str)
def test_part_sizes(world: RecordsWorld, number: str):
    with no_effect(world):
        refused(post(world, FILES, opening(part_size=number)))


@pytest.mark.parametrize(
    ("size", "part_size"),
    [
        (50_000 * MIB, 5 * MIB + 1 - 1 - MIB),  # parts below the minimum
        (50_001 * 5 * MIB, 5 * MIB),  # 50,001 parts
        (10_001, 1),
        (2**62, 5 * MIB),
        (2**63 - 1, 2**63 - 1),
        (6 * 2**30, 6 * 2**30),  # a part above the maximum
    ],
)
def test_plans(world: RecordsWorld, size: int, part_size: int):
    with no_effect(world):
        refused(post(world, FILES, opening(size=str(size), part_size=str(part_size))))


def test_sizes_over_the_quota(world: RecordsWorld):
    world.set_bucket(quota_size=10 * MIB)
    world.store.calls.clear()
    refused(post(world, FILES, opening()), 413)
    assert world.store.calls == []
    assert world.bucket().size == 0


# ranges of parts ------------------------------------------------------------------------------------------------------

RANGES = [
    "1-9999999999", "1-10000000", "1-9999999",
    "0", "0-1", "-1", "1--1", "3-1", "1-", "-", ",", "", "1,,2", "1-2-3", "1e3", "1.0", "+1",
    " ", "x", "１", "²", "4", "1-4", "9" * 400, "1-" + "9" * 400, "\n", "1;2", "1:2", "*", "ALL", "all,1",
]  # fmt: skip
"""For an upload of three parts."""


@pytest.mark.parametrize("ranges", RANGES, ids=lambda text: repr(text[:16]))
def test_ranges_when_opening(world: RecordsWorld, ranges: str):
    with no_effect(world):
        refused(post(world, FILES, opening(parts=json.dumps(ranges))))


@pytest.mark.parametrize("ranges", RANGES, ids=lambda text: repr(text[:16]))
def test_ranges_when_signing(world: RecordsWorld, ranges: str):
    world.client().open()
    with no_effect(world):
        refused(world.client().act("sign", json={"parts": ranges}))


SIGNED = [
    None, True, 1, 1.0, {}, {"1": 1}, [None], [True], [1.0], ["1"], [[1]], [0], [-1], [4], [2**63], [10**400],
    [1, 2, 3, 4], [1] * 10_001, list(range(1, 10_002)),
]  # fmt: skip


@pytest.mark.parametrize("parts", SIGNED, ids=lambda parts: repr(parts)[:16])
def test_lists_when_signing(world: RecordsWorld, parts: Any):
    world.client().open()
    with no_effect(world):
        refused(world.client().act("sign", json={"parts": parts}))


@pytest.mark.parametrize("spans", [["1-3"] * 5000, ["1"] * 10_001, ["1-2", "2-3"] * 4000], ids=lambda spans: spans[-1])
def test_overlapping_ranges_are_counted_as_they_are_asked_for(world: RecordsWorld, spans: list[str]):
    world.client().open()
    with no_effect(world):
        refused(world.client().act("sign", json={"parts": ",".join(spans)}))


def test_overlapping_ranges_below_the_limit_give_each_part_once(world: RecordsWorld):
    world.client().open()
    answer = world.client().act("sign", json={"parts": "1-3,2,1-2,3"})
    assert [part["part"] for part in answer.json["parts"]] == [1, 2, 3]


@pytest.mark.parametrize(
    "page", ["0", "-1", "1.5", "x", "", "1000001", HUGE, "9223372036854775808"], ids=lambda t: t[:8]
)
def test_pages(world: RecordsWorld, page: str):
    world.client().open()
    with no_effect(world):
        refused(world.client()("GET", f"{file_path('data.zip')}/parts-multipart?page={page}"))


@pytest.mark.parametrize("ranges", ["1-9999999999", "0", "10001", "1," * 10_000 + "1", "9" * 400])
@pytest.mark.parametrize("part_size", [5 * MIB, None])
def test_ranges_of_clients_of_1_4(world: RecordsWorld, ranges: str, part_size: int | None):
    """Without a part size their plan is free, and the last part is the last one that the store takes."""
    upload_id = world.client().open(part_size=part_size).json["uploadId"]
    with no_effect(world):
        refused(world.client()("GET", f"{file_path('data.zip')}/{upload_id}/{ranges}/presigned"), 400, 404)


# lists of parts -------------------------------------------------------------------------------------------------------

CLAIMED: list[Any] = [
    1, "x", {}, True, [1], [None], [[]], ["1"], [{}], [{"PartNumber": 1}], [{"ETag": "a"}],
    [{"PartNumber": 0, "ETag": "a"}], [{"PartNumber": -1, "ETag": "a"}], [{"PartNumber": 1.0, "ETag": "a"}],
    [{"PartNumber": 2**63, "ETag": "a"}], [{"PartNumber": 10**400, "ETag": "a"}], [{"PartNumber": True, "ETag": "a"}],
    [{"PartNumber": 1, "ETag": 1}], [{"PartNumber": 1, "ETag": ""}], [{"PartNumber": 1, "ETag": "a" * 1025}],
    [{"PartNumber": 1, "ETag": "a"}, {"PartNumber": 1, "ETag": "b"}],
    [{"PartNumber": number, "ETag": "a"} for number in range(1, 10_002)],
    [{}] * 10_000,
]  # fmt: skip


@pytest.mark.parametrize("parts", CLAIMED, ids=lambda parts: repr(parts)[:32])
@pytest.mark.parametrize("legacy", [False, True])
def test_lists_when_completing(world: RecordsWorld, parts: Any, legacy: bool):
    upload_id = world.client().open().json["uploadId"]
    path = f"{file_path('data.zip')}/{upload_id}/complete" if legacy else f"{file_path('data.zip')}/complete-multipart"
    with no_effect(world):
        refused(post(world, path, json.dumps({"parts": parts})))


def test_part_numbers_that_the_plan_does_not_have_cost_two_listings(world: RecordsWorld):
    world.client().open()
    world.put_parts(world.upload())
    world.store.calls.clear()
    parts = [{"PartNumber": number, "ETag": "a"} for number in range(1, 10_001)]
    answer = world.client().act("complete", json={"parts": parts})
    refused(answer, 409)
    assert [call.name for call in world.store.calls] == ["list_parts", "list_parts"]
    assert world.upload().state == "open"


# bodies ---------------------------------------------------------------------------------------------------------------

DEEP = 100_000
BODIES = {
    "deep list": ("[" * DEEP + "]" * DEEP, 400),
    "deep object": ('{"a":' * DEEP + "1" + "}" * DEEP, 400),
    "deep in a field": ('{"key": "a", "size": 1, "deep": ' + "[" * DEEP + "]" * DEEP + "}", 400),
    "never closed": ("[" * DEEP, 400),
    "a long number": (opening(size="1" * 1_000_000), 400),
    "a list that is too long": (f"[{'{},' * S3_MULTIPART_BATCH_LIMIT}{{}}]", 400),
    "a text": ('"x"', 400),
    "a number": ("1", 400),
    "not UTF-8": (b'{"key": "\xff", "size": 1}', 400),
    "over the limit": (" " * (MAX_BODY + 1), 413),
    "over the limit with JSON": (opening(name=f'"{"x" * MAX_BODY}"'), 413),
}
PATHS = {
    "open": FILES,
    "complete": f"{file_path('data.zip')}/complete-multipart",
    "sign": f"{file_path('data.zip')}/sign-multipart",
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", BODIES)
def test_bodies(world: RecordsWorld, name: str, path: str):
    body, status = BODIES[name]
    world.client().open()
    with no_effect(world):
        refused(post(world, PATHS[path], body), status)


class Endless:
    """A body in chunks that goes on; counts what is read of it."""

    def __init__(self, line: bytes = b" " * 4096) -> None:
        self.line = line
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        """Some more; a reader that wants everything would never come to an end."""
        assert size >= 0, "everything is read"
        assert self.taken <= 4 * MAX_BODY, "reads on and on"
        piece = (self.line * (size // len(self.line) + 1))[:size]
        self.taken += len(piece)
        return piece

    readline = read

    def readinto(self, buffer: Any) -> int:
        """As :meth:`read`."""
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.mark.parametrize("path", PATHS)
def test_a_body_in_chunks_that_never_ends(world: RecordsWorld, path: str):
    world.client().open()
    body = Endless()
    environ = {"wsgi.input": body, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    with no_effect(world):
        answer = world.client()("POST", PATHS[path], content_type="application/json", environ_overrides=environ)
        refused(answer, 413)
    assert body.taken <= MAX_BODY + 2**16


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "9" * 30])
def test_a_length_that_is_none(world: RecordsWorld, length: str):
    with no_effect(world):
        answer = world.client()(
            "POST", FILES, content_type="application/json", environ_overrides={"CONTENT_LENGTH": length}
        )
        refused(answer, 400, 413)


def test_a_long_body_is_not_read_before_the_permission_is_asked(world: RecordsWorld):
    body = Endless()
    environ = {"wsgi.input": body, "wsgi.input_terminated": True}
    for path in PATHS.values():
        answer = world.client("other")("POST", path, content_type="application/json", environ_overrides=environ)
        assert answer.status_code == 403
    assert body.taken == 0


def form(count: int) -> bytes:
    return b"&".join(b"field%d=x" % number for number in range(count))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (form(200_000), "application/x-www-form-urlencoded"),
        (b"key=" + b"x" * (MAX_BODY + 1), "application/x-www-form-urlencoded"),
        (
            b"".join(
                b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n' % number for number in range(5000)
            )
            + b"--b--\r\n",
            "multipart/form-data; boundary=b",
        ),
        (b"--b\r\n" + b"X: " + b"x" * (MAX_BODY + 1), "multipart/form-data; boundary=b"),
    ],
    ids=["many fields", "a big field", "many parts", "a big header"],
)
def test_forms(world: RecordsWorld, body: bytes, content_type: str):
    with no_effect(world):
        refused(post(world, FILES, body, content_type), 400, 413)


# keys and texts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["key", "fingerprint", "checksum", "multipart_content_type", "parts"])
def test_long_texts(world: RecordsWorld, field: str):
    with no_effect(world):
        refused(post(world, FILES, opening(**{field: json.dumps("a" * 1_000_000)})))


@pytest.mark.parametrize(
    "key", [r'"\ud800"', r'"a\u0000b"', r'"a\nb"', '""', '"/a"', '"a/../b"', '"."', "1", "null", "[]"]
)
def test_keys(world: RecordsWorld, key: str):
    with no_effect(world):
        refused(post(world, FILES, opening(key=key)))


def test_many_unknown_fields_with_errors_are_not_all_listed(world: RecordsWorld):
    fields = {f"field{number}": '"\\u0000"' for number in range(20_000)}
    with no_effect(world):
        answer = post(world, FILES, opening(**fields))
        refused(answer)
    assert len(answer.json["errors"]) <= 100


# work that grows ------------------------------------------------------------------------------------------------------


@contextmanager
def counted_calls() -> Iterator[list[int]]:
    """How many functions are called in the block, those in C included."""
    calls = [0]

    def note(_: Any, event: str, __: Any) -> None:
        if event in ("call", "c_call"):
            calls[0] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def etags(count: int) -> list[dict[str, Any]]:
    return [{"PartNumber": number, "ETag": f'"{number:032x}"'} for number in range(1, count + 1)]


GROWING: Mapping[str, tuple[str, Callable[[int], Any]]] = {
    "claimed parts": (PATHS["complete"], lambda count: {"parts": etags(count)}),
    "claimed parts that are wrong": (PATHS["complete"], lambda count: {"parts": [{}] * count}),
    "signed parts": (PATHS["sign"], lambda count: {"parts": [1, 2, 3] * (count // 3)}),
    "ranges": (PATHS["sign"], lambda count: {"parts": ",".join(["1"] * count)}),
    "MD5s": (PATHS["sign"], lambda count: {"parts": [1], "content_md5": {str(one): "x" for one in range(count)}}),
    "metadata": (FILES, lambda count: {"key": "k", "size": 0, **{f"f{one}": "x" for one in range(count)}}),
    "nested metadata": (FILES, lambda count: {"key": "k", "size": 0, "f": [["x"]] * count}),
}


@pytest.mark.parametrize("name", GROWING)
def test_work_grows_no_faster_than_the_request(world: RecordsWorld, name: str):
    world.client().open()
    path, make = GROWING[name]
    counts = []
    for size in (1000, 1000, 4000):  # the first one warms up
        body = json.dumps(make(size))
        with counted_calls() as calls:
            post(world, path, body)
        counts.append(calls[0])
    assert counts[2] <= 4.5 * counts[1]


def test_a_range_is_not_spelled_out_before_it_is_checked(world: RecordsWorld):
    world.client().open()
    counts = []
    for ranges in ("1-4", "1-4", "1-9999999"):
        with counted_calls() as calls:
            refused(world.client().act("sign", json={"parts": ranges}))
        counts.append(calls[0])
    assert counts[2] <= counts[1] + 50


def test_a_plan_of_many_parts_costs_no_more_than_one_of_few(world: RecordsWorld):
    counts = []
    for key, size in (("a", 10 * MIB), ("b", 10 * MIB), ("c", 10_000 * 5 * MIB)):
        with counted_calls() as calls:
            answer = world.client().open(key=key, size=size, query="&parts=none")
        assert answer.status_code == 201
        counts.append(calls[0])
    assert counts[2] <= counts[1] * 1.1
    assert world.upload("c").parts_count == 10_000


def test_an_answer_carries_no_more_urls_than_the_setting_allows(make_world: MakeWorld):
    world = make_world(S3_MULTIPART_MAX_URLS_PER_ANSWER=100)
    with no_effect(world):
        refused(world.client().open(size=1000 * 5 * MIB, query="&parts=all"))
    assert len(world.client().open(size=1000 * 5 * MIB).json["multipart_upload"]["parts_url"]) == 50

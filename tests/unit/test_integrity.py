# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Stored parts against the plan, and what the checksum of the file is called."""

import base64
import hashlib
from typing import Any

import pytest

from oarepo_s3.errors import PartsMismatch
from oarepo_s3.store.contract import StoredPart
from oarepo_s3.uploads.integrity import (
    LISTED_PROBLEMS,
    check_parts,
    composite_etag,
    declared_matches,
    file_checksum,
)
from oarepo_s3.uploads.plan import Limits, Plan

LIMITS = Limits(min_part_size=5, max_part_size=50, max_parts=10_000, preferred_part_size=8)
PLAN = Plan(25, 10, 3)


def parts(*sizes: int, start: int = 1) -> list[StoredPart]:
    """Parts of these sizes whose ETag is ``e<number>``; a size of 0 leaves a hole."""
    return [StoredPart(number, size, f"e{number}") for number, size in enumerate(sizes, start) if size]


def problems(
    stored: list[StoredPart], *, free: bool = False, equal: bool = False, claimed: dict[int, str] | None = None
) -> dict[str, Any]:
    """The details of the refusal."""
    with pytest.raises(PartsMismatch) as refused:
        check_parts(PLAN, stored, free=free, limits=LIMITS, equal=equal, claimed=claimed or {})
    return dict(refused.value.details)


def wrong(details: dict[str, Any]) -> list[tuple[int | None, str]]:
    return [(one["part"], one["problem"]) for one in details["wrong"]]


def test_parts_as_planned_pass() -> None:
    check_parts(PLAN, parts(10, 10, 5), free=False, limits=LIMITS, equal=True, claimed={1: "e1", 3: "e3"})


@pytest.mark.parametrize(
    ("stored", "missing"),
    [((), [[1, 3]]), ((10, 10), [[3, 3]]), ((0, 10, 5), [[1, 1]]), ((10, 0, 5), [[2, 2]]), ((0, 10), [[1, 1], [3, 3]])],
)
def test_holes_are_told(stored: tuple[int, ...], missing: list[list[int]]) -> None:
    details = problems(parts(*stored))
    assert (details["missing"], details["wrong"]) == (missing, [])
    assert (details["size"], details["stored_size"]) == (25, sum(stored))


@pytest.mark.parametrize("sizes", [(9, 10, 5), (11, 10, 5), (10, 10, 4), (10, 10, 6), (10, 10, 10)])
def test_other_sizes_are_told(sizes: tuple[int, ...]) -> None:
    (found,) = problems(parts(*sizes))["wrong"]
    number = found["part"]
    assert found == {"part": number, "problem": "size", "expected": PLAN.size_of(number), "found": sizes[number - 1]}


def test_empty_part_is_told() -> None:
    assert wrong(problems([*parts(10, 10), StoredPart(3, 0, "e3")])) == [(3, "size")]


def test_part_that_is_not_planned_is_told_even_if_the_rest_is_there() -> None:
    assert problems(parts(10, 10, 5, 1))["wrong"] == [{"part": 4, "problem": "not in the plan"}]


def test_claims_are_compared() -> None:
    stored = parts(10, 10, 5)
    details = problems(stored, claimed={1: "e1", 2: "other", 4: "e4"})
    assert details["wrong"] == [
        {"part": 2, "problem": "etag", "expected": "other", "found": "e2"},
        {"part": 4, "problem": "not stored"},
    ]


def test_claim_of_a_missing_part_is_told_once_as_missing() -> None:
    details = problems(parts(10, 10), claimed={3: "e3"})
    assert (details["missing"], details["wrong"]) == ([[3, 3]], [])


def test_thousands_of_problems_are_cut() -> None:
    plan, odd = Plan(10_000, 1, 10_000), [StoredPart(number, 1, "e") for number in range(2, 10_001, 2)]
    with pytest.raises(PartsMismatch) as refused:
        check_parts(plan, odd, free=False, limits=LIMITS, equal=True, claimed={number.number: "x" for number in odd})
    assert len(refused.value.details["missing"]) == len(refused.value.details["wrong"]) == LISTED_PROBLEMS == 100


@pytest.mark.parametrize(
    ("sizes", "equal"),
    [((10, 10, 5), True), ((25,), True), ((13, 12), True), ((5, 20), False), ((9, 10, 6), False), ((12, 12, 1), True)],
)
def test_free_sizes_that_pass(sizes: tuple[int, ...], equal: bool) -> None:
    check_parts(PLAN, parts(*sizes), free=True, limits=LIMITS, equal=equal, claimed={1: "e1"})


@pytest.mark.parametrize(
    ("sizes", "equal", "expected"),
    [
        ((), False, []),
        ((10, 0, 15), False, []),
        ((4, 21), False, [(1, "too small")]),
        ((4, 21), True, [(1, "too small"), (2, "not equal")]),
        ((10, 9, 6), True, [(2, "not equal")]),
        ((10, 15), True, [(2, "not equal")]),
        ((10, 10), False, [(None, "total size")]),
        ((10, 10, 6), True, [(None, "total size")]),
        ((24,), True, [(None, "total size")]),
    ],
)
def test_free_sizes_that_are_refused(sizes: tuple[int, ...], equal: bool, expected: list[Any]) -> None:
    details = problems(parts(*sizes), free=True, equal=equal)
    assert wrong(details) == expected
    assert details["missing"] or details["wrong"]


@pytest.mark.parametrize(("stored", "missing"), [(parts(25, start=2), [[1, 1]]), (parts(20, 0, 5), [[2, 2]])])
def test_free_parts_have_no_hole(stored: list[StoredPart], missing: list[list[int]]) -> None:
    assert problems(stored, free=True)["missing"] == missing


def test_composite_etag_is_the_md5_of_the_md5s() -> None:
    bodies = [b"a" * 10, b"b" * 10, b"c"]
    etags = [hashlib.md5(body).hexdigest() for body in bodies]
    expected = hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies)).hexdigest()
    assert composite_etag(etags) == f"{expected}-3"


def test_composite_etag_of_one_empty_part() -> None:
    assert composite_etag(["d41d8cd98f00b204e9800998ecf8427e"]) == "59adb24ef3cdbe0297f05b395827453f-1"


@pytest.mark.parametrize(
    "etags", [[], ["x"], ["0" * 31], ["0" * 32, "0" * 33], ["0" * 32 + "-1"], ["A" * 32], [base64.b64encode(b"0" * 24)]]
)
def test_no_composite_of_what_is_no_md5(etags: list[Any]) -> None:
    assert composite_etag([str(etag) for etag in etags]) is None


@pytest.mark.parametrize(
    ("declared", "matches"),
    [
        ("multipart:abc-3-5", True),
        ("etag:abc-3", True),
        ("md5:abc-3", True),
        ("multipart:abc-3", False),
        ("multipart:abd-3-5", False),
        ("etag:abc-3-5", False),
        ("abc-3", False),
        ("", False),
    ],
)
def test_declared_checksum(declared: str, matches: bool) -> None:
    assert declared_matches(declared, "abc-3") is matches


MD5 = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("etag", "free", "opaque", "checksum"),
    [
        (f"{MD5}-3", None, False, f"multipart:{MD5}-3-10"),
        (f"{MD5}-3", None, True, f"etag:{MD5}-3"),
        (MD5, None, False, f"md5:{MD5}"),
        (MD5, None, True, f"etag:{MD5}"),
        ("opaque", None, False, "etag:opaque"),
        (f"{MD5}-2", parts(12, 12), False, f"multipart:{MD5}-2-12"),
        (f"{MD5}-2", parts(12, 3), False, f"multipart:{MD5}-2-12"),
        (f"{MD5}-1", parts(12), False, f"multipart:{MD5}-1-12"),
        (f"{MD5}-2", parts(12, 13), False, f"etag:{MD5}-2"),
        (f"{MD5}-3", parts(12, 11, 3), False, f"etag:{MD5}-3"),
        (f"{MD5}-3", [], False, f"etag:{MD5}-3"),
    ],
)
def test_checksum_of_the_file(etag: str, free: list[StoredPart] | None, opaque: bool, checksum: str) -> None:
    assert file_checksum(etag, 10, free, opaque=opaque) == checksum

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""From sizes to parts, at the edges of what a store takes."""

import pytest

from oarepo_s3.config import S3_MULTIPART_MAX_PART_SIZE, S3_MULTIPART_MIN_PART_SIZE, S3_MULTIPART_PART_SIZE
from oarepo_s3.errors import InvalidPartNumber, InvalidPlan, InvalidSize
from oarepo_s3.uploads.plan import Limits, Plan, make_plan

MIB, GIB, TIB = 2**20, 2**30, 2**40
DEFAULTS = Limits(S3_MULTIPART_MIN_PART_SIZE, S3_MULTIPART_MAX_PART_SIZE, 10_000, S3_MULTIPART_PART_SIZE)
SMALL = Limits(min_part_size=5, max_part_size=50, max_parts=10, preferred_part_size=8)


@pytest.mark.parametrize(
    ("size", "part_size", "parts_count", "last"),
    [
        (1, 16 * MIB, 1, 1),
        (16 * MIB - 1, 16 * MIB, 1, 16 * MIB - 1),
        (16 * MIB, 16 * MIB, 1, 16 * MIB),
        (16 * MIB + 1, 16 * MIB, 2, 1),
        (160_000 * MIB, 16 * MIB, 10_000, 16 * MIB),
        (160_000 * MIB + 1, 17 * MIB, 9_412, 13 * MIB + 1),
        (5 * TIB, 525 * MIB, 9_987, 230 * MIB),
        (DEFAULTS.biggest_file, S3_MULTIPART_MAX_PART_SIZE, 10_000, S3_MULTIPART_MAX_PART_SIZE),
    ],
)
def test_own_plan(size: int, part_size: int, parts_count: int, last: int) -> None:
    plan = make_plan(size, DEFAULTS)
    assert plan == Plan(size, part_size, parts_count)
    assert plan.size_of(parts_count) == last


def test_biggest_file_is_what_the_limits_give() -> None:
    assert DEFAULTS.biggest_file == 10_000 * (5 * GIB - 5 * MIB)
    assert 48.7 * TIB < DEFAULTS.biggest_file < 48.8 * TIB
    assert Limits(5, 50, 10, 8, max_file_size=100).biggest_file == 100
    assert Limits(5, 50, 10, 8, max_file_size=501).biggest_file == 500


@pytest.mark.parametrize("size", [0, -1, DEFAULTS.biggest_file + 1, 50 * TIB])
def test_sizes_that_cannot_be(size: int) -> None:
    with pytest.raises(InvalidSize) as refused:
        make_plan(size, DEFAULTS)
    assert refused.value.details["size"] == size


def test_size_over_the_limit_of_files() -> None:
    limits = Limits(5, 50, 10, 8, max_file_size=100)
    assert make_plan(100, limits, part_size=10).parts_count == 10
    with pytest.raises(InvalidSize, match="up to 100 bytes"):
        make_plan(101, limits)


def test_needed_part_size_is_no_more_than_the_biggest() -> None:
    limits = Limits(min_part_size=5, max_part_size=50, max_parts=10, preferred_part_size=8)
    assert make_plan(500, limits) == Plan(500, 50, 10)
    assert make_plan(81, limits).part_size == 50  # a whole MiB would be more than the store takes


@pytest.mark.parametrize(
    ("size", "part_size", "parts_count"),
    [(100, 10, 10), (100, 50, 2), (49, 5, 10), (50, 5, 10), (1, 1, 1), (4, 4, 1), (3, 50, 1), (3, 51, 1), (50, 50, 1)],
)
def test_part_size_of_the_client(size: int, part_size: int, parts_count: int) -> None:
    plan = make_plan(size, SMALL, part_size=part_size)
    assert plan.parts_count == parts_count
    assert sum(plan.size_of(number) for number in range(1, parts_count + 1)) == size


@pytest.mark.parametrize(
    ("size", "part_size", "problem"),
    [
        (100, 0, "at least 1 byte"),
        (100, -1, "at least 1 byte"),
        (100, 4, "at least 5 bytes"),
        (5, 4, "at least 5 bytes"),
        (500, 51, "at most 50 bytes"),
        (51, 51, "at most 50 bytes"),
        (51, 5, "at most 10 parts; this one would have 11"),
    ],
)
def test_part_size_outside_the_limits(size: int, part_size: int, problem: str) -> None:
    with pytest.raises(InvalidPlan, match=problem) as refused:
        make_plan(size, SMALL, part_size=part_size)
    suggested = refused.value.details["suggested"]
    assert make_plan(size, SMALL, part_size=suggested["part_size"], parts_count=suggested["parts"]).size == size


@pytest.mark.parametrize("part_size", [2**62, 2**63, 2**100])
def test_part_size_that_no_column_holds_is_not_kept(part_size: int) -> None:
    plan = make_plan(3, SMALL, part_size=part_size)
    assert plan.part_size < 2**63
    assert plan.size_of(1) == 3


@pytest.mark.parametrize(("size", "parts_count", "part_size"), [(100, 10, 10), (101, 3, 34), (7, 1, 7), (50, 1, 50)])
def test_number_of_parts_of_the_client(size: int, parts_count: int, part_size: int) -> None:
    assert make_plan(size, SMALL, parts_count=parts_count) == Plan(size, part_size, parts_count)


@pytest.mark.parametrize("parts_count", [0, -1, 11, 13, 10**9])
def test_number_of_parts_that_cannot_be(parts_count: int) -> None:
    with pytest.raises(InvalidPlan):
        make_plan(60, SMALL, parts_count=parts_count)


def test_part_size_and_number_have_to_agree() -> None:
    assert make_plan(100, SMALL, part_size=30, parts_count=4).size_of(4) == 10
    with pytest.raises(InvalidPlan, match="100 bytes in parts of 30 make 4 parts, not 5"):
        make_plan(100, SMALL, part_size=30, parts_count=5)


@pytest.mark.parametrize("number", [0, -1, 4, 10_001])
def test_part_that_the_plan_has_not(number: int) -> None:
    with pytest.raises(InvalidPartNumber) as refused:
        Plan(25, 10, 3).size_of(number)
    assert refused.value.details == {"part": number}


@pytest.mark.parametrize(
    ("present", "missing"),
    [
        ([], [(1, 5)]),
        ([1, 2, 3, 4, 5], []),
        ([1, 3, 5], [(2, 2), (4, 4)]),
        ([5], [(1, 4)]),
        ([1], [(2, 5)]),
        ([3, 3, 6, 0, -1], [(1, 2), (4, 5)]),
    ],
)
def test_missing_ranges(present: list[int], missing: list[tuple[int, int]]) -> None:
    assert Plan(50, 10, 5).missing(present) == missing

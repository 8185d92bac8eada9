# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Lists of part ranges against a reading of them that knows no short cuts."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from oarepo_s3.errors import InvalidPartList, InvalidPartNumber
from oarepo_s3.uploads.description import numbers_of

NUMBERS = st.integers(0, 60).map(str) | st.sampled_from(["", "a", " 3", "07", "9999999", "10000000"])
ITEMS = NUMBERS | st.builds("-".join, st.lists(NUMBERS, min_size=2, max_size=2))
LISTS = (
    st.builds(",".join, st.lists(ITEMS, min_size=1, max_size=6))
    | st.sampled_from(["all", "none"])
    | st.text("0123456789-, ", max_size=9)
)


def naive(ranges: str, last: int, most: int) -> list[int] | None:
    """Every number counted out one by one, or None where the list cannot be served."""
    if ranges == "none":
        return []
    if ranges == "all":
        ranges = f"1-{last}"
    asked = []
    for item in ranges.split(","):
        match = re.fullmatch(r"([0-9]{1,7})(?:-([0-9]{1,7}))?", item.strip(" "))
        if match is None:
            return None
        start, to = int(match[1]), int(match[2] or match[1])
        if start < 1 or to > last or start > to:
            return None
        asked += list(range(start, to + 1))
    return sorted(set(asked)) if len(asked) <= most else None


@given(LISTS, st.integers(1, 60), st.integers(0, 60))
@example("1-60,60-1", 60, 2)
@example("5-1,1-5", 5, 4)
@example("all", 60, 59)
def test_numbers_are_those_that_counting_gives(ranges: str, last: int, most: int) -> None:
    expected = naive(ranges, last, most)
    try:
        found = numbers_of(ranges, last, most)
    except (InvalidPartList, InvalidPartNumber):
        assert expected is None
    else:
        assert found == expected


@given(st.sets(st.integers(1, 10_000), min_size=1, max_size=40))
def test_any_set_can_be_asked_for(numbers: set[int]) -> None:
    assert numbers_of(",".join(map(str, numbers)), 10_000, 40) == sorted(numbers)

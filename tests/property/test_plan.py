# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Any plan that is made covers the file exactly and stays within the limits."""

from hypothesis import assume, given
from hypothesis import strategies as st

from oarepo_s3.errors import InvalidPlan, InvalidSize
from oarepo_s3.uploads.plan import Limits, Plan, make_plan

SIZES = (
    st.integers(1, 60 * 2**40)
    | st.integers(1, 10_000)
    | st.builds(lambda power, off: 2**power + off, st.integers(1, 45), st.integers(-1, 1))
)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    """Limits of stores there are, and of stores there might be."""
    smallest = draw(st.sampled_from([1, 5 * 2**20]) | st.integers(1, 1000))
    preferred = smallest + draw(st.integers(0, 16 * 2**20))
    biggest = preferred + draw(st.integers(0, 5 * 2**30))
    return Limits(smallest, biggest, draw(st.integers(1, 10_000)), preferred, draw(st.none() | SIZES))


def fits(plan: Plan, within: Limits) -> bool:
    """Whether the plan keeps to every limit; all parts but the last equal the first."""
    sizes = [plan.size_of(1), plan.size_of(plan.parts_count)]
    return (
        1 <= plan.parts_count <= within.max_parts
        and all(1 <= size <= within.max_part_size for size in sizes)
        and (plan.parts_count == 1 or sizes[0] >= within.min_part_size)
        and sizes[1] <= sizes[0]
        and sizes[0] * (plan.parts_count - 1) + sizes[1] == plan.size
    )


@given(SIZES, limits())
def test_own_plan_fits_whenever_the_file_does(size: int, within: Limits) -> None:
    if size > within.biggest_file:
        try:
            make_plan(size, within)
        except InvalidSize:
            return
        raise AssertionError("a file that is too big was planned")
    plan = make_plan(size, within)
    assert plan.size == size
    assert fits(plan, within)
    assert plan.part_size >= within.preferred_part_size


@given(SIZES, limits(), st.none() | SIZES, st.none() | st.integers(1, 11_000))
def test_plan_of_the_client_fits_or_is_refused_with_one_that_does(
    size: int, within: Limits, part_size: int | None, parts_count: int | None
) -> None:
    assume(size <= within.biggest_file)
    try:
        plan = make_plan(size, within, part_size=part_size, parts_count=parts_count)
    except InvalidPlan as refused:
        suggested = refused.details["suggested"]
        assert fits(Plan(size, suggested["part_size"], suggested["parts"]), within)
        return
    assert fits(plan, within)
    assert parts_count in (None, plan.parts_count)
    assert part_size is None or plan.size_of(1) == min(part_size, size)


@given(st.integers(1, 200), st.sets(st.integers(-2, 210)))
def test_missing_and_present_make_the_whole(parts_count: int, present: set[int]) -> None:
    ranges = Plan(parts_count * 7, 7, parts_count).missing(present)
    missing = [number for first, last in ranges for number in range(first, last + 1)]
    assert missing == [number for number in range(1, parts_count + 1) if number not in present]
    assert all(first <= last for first, last in ranges)
    assert all(after[0] - before[1] > 1 for before, after in zip(ranges, ranges[1:], strict=False))

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""From the size of a file to equal parts within the store's limits."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import InvalidPartNumber, InvalidPlan, InvalidSize

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """What the store takes; sizes in bytes. ``max_file_size`` None: whatever the parts give."""

    min_part_size: int
    max_part_size: int
    max_parts: int
    preferred_part_size: int
    max_file_size: int | None = None

    @property
    def biggest_file(self) -> int:
        """Size in bytes of the biggest file that can be sent at all."""
        by_parts = self.max_part_size * self.max_parts
        return by_parts if self.max_file_size is None else min(self.max_file_size, by_parts)


@dataclass(frozen=True, slots=True)
class Plan:
    """``parts_count`` parts of ``part_size`` bytes, the last one with what is left of ``size``.

    With ``content_md5``, the base64 of the file's MD5, there are no parts at the store: the file goes in one put.
    """

    size: int
    part_size: int
    parts_count: int
    content_md5: str | None = None

    def size_of(self, number: int) -> int:
        """Bytes of the part with this number, 1 .. parts_count.

        :raises InvalidPartNumber: the plan has no such part.
        """
        if not 1 <= number <= self.parts_count:
            raise InvalidPartNumber(f"The upload has the parts 1 to {self.parts_count}.", part=number)
        return self.part_size if number < self.parts_count else self.size - self.part_size * (self.parts_count - 1)

    def missing(self, numbers: Iterable[int]) -> list[tuple[int, int]]:
        """Ranges (first, last) of the parts that are not among the numbers."""
        present, ranges, start = set(numbers), [], 0
        for number in range(1, self.parts_count + 2):
            absent = number not in present and number <= self.parts_count
            if absent and not start:
                start = number
            elif not absent and start:
                ranges.append((start, number - 1))
                start = 0
        return ranges


def make_plan(size: int, limits: Limits, *, part_size: int | None = None, parts_count: int | None = None) -> Plan:
    """Plan a file of ``size`` bytes, with the part size the client wants or one of our own.

    :raises InvalidSize: the size is not positive, or more than the store takes.
    :raises InvalidPlan: part size or number of parts are outside the limits or do not go together; details tell a part
        size and a number of parts that would do.
    """
    if size < 1:
        raise InvalidSize(
            "size has to be at least 1 byte; for an empty file give content_md5, or send it with a plain PUT.",
            size=size,
        )
    if size > limits.biggest_file:
        raise InvalidSize(f"The store takes files of up to {limits.biggest_file} bytes.", size=size)
    if part_size is None and parts_count is not None:
        part_size = -(-size // parts_count) if parts_count > 0 else 0
    if part_size is None:
        part_size = _own_part_size(size, limits)
    plan = _equal_parts(size, min(part_size, max(size, limits.max_part_size)))  # no column holds any number
    problem = _problem(plan, limits, parts_count)
    if problem:
        ours = _equal_parts(size, _own_part_size(size, limits))
        raise InvalidPlan(problem, suggested={"part_size": ours.part_size, "parts": ours.parts_count})
    return plan


def _own_part_size(size: int, limits: Limits) -> int:
    """The preferred size, or the smallest whole number of MiB with which the number of parts stays in the limit."""
    needed = -(-size // limits.max_parts)
    return min(max(limits.preferred_part_size, -(-needed // MIB) * MIB), limits.max_part_size)


def _equal_parts(size: int, part_size: int) -> Plan:
    return Plan(size, part_size, -(-size // part_size) if part_size > 0 else 0)


def _problem(plan: Plan, limits: Limits, parts_count: int | None) -> str | None:
    if plan.part_size < 1:
        return "A part has to have at least 1 byte."
    if plan.parts_count > 1 and plan.part_size < limits.min_part_size:
        return f"A part other than the last has to have at least {limits.min_part_size} bytes."
    if min(plan.part_size, plan.size) > limits.max_part_size:
        return f"A part can have at most {limits.max_part_size} bytes."
    if plan.parts_count > limits.max_parts:
        return f"A file can have at most {limits.max_parts} parts; this one would have {plan.parts_count}."
    if parts_count is not None and plan.parts_count != parts_count:
        return f"{plan.size} bytes in parts of {plan.part_size} make {plan.parts_count} parts, not {parts_count}."
    return None

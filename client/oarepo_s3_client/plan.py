# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""From the size of a file to parts, and lists of part numbers as the repository writes them."""

from collections.abc import Iterable
from dataclasses import dataclass

MIB = 2**20
MAX_PARTS = 10_000
"""Most parts of an upload at S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html."""

PREFERRED_PART_SIZE = 16 * MIB
"""Bytes of a part where nobody says otherwise: small enough that little is sent twice after a crash."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes ``offset .. offset + size - 1`` of a file; parts are counted from 1."""

    number: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """``parts_count`` parts of ``part_size`` bytes, the last one with what is left of ``size``.

    A file of 0 bytes is one part of 0 bytes.
    """

    size: int
    part_size: int

    def __post_init__(self) -> None:
        if self.size < 0 or self.part_size < 1:
            raise ValueError("a part needs at least one byte")

    @property
    def parts_count(self) -> int:
        """How many parts there are."""
        return max(1, -(-self.size // self.part_size))

    def part(self, number: int) -> Part:
        """The part with this number, 1 .. parts_count."""
        if not 1 <= number <= self.parts_count:
            raise ValueError(f"there is no part {number} of {self.parts_count}")
        offset = (number - 1) * self.part_size
        return Part(number, offset, min(self.part_size, self.size - offset))

    def bytes_of(self, numbers: Iterable[int]) -> int:
        """How many bytes these parts have together."""
        return sum(self.part(number).size for number in numbers)


def make_plan(size: int, part_size: int | None = None) -> Plan:
    """Plan a file where the repository leaves the plan to us; the parts grow with the file to stay within 10,000."""
    if part_size is None:
        needed = -(-size // MAX_PARTS)
        part_size = max(PREFERRED_PART_SIZE, -(-needed // MIB) * MIB)
    return Plan(size, part_size)


def ranges_of(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """First and last number of each run."""
    runs: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def text_of(numbers: Iterable[int]) -> str:
    """The numbers as ``1-100,205``."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges_of(numbers))

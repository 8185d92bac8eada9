# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Only parts that are the file pass, and the checksum of a joined object can be computed from its content."""

import hashlib
import random

from hypothesis import assume, given
from hypothesis import strategies as st

from oarepo_s3.errors import PartsMismatch
from oarepo_s3.store.contract import StoredPart
from oarepo_s3.uploads.integrity import check_parts, composite_etag, declared_matches, file_checksum
from oarepo_s3.uploads.plan import Limits, Plan

LIMITS = Limits(min_part_size=5, max_part_size=100, max_parts=20, preferred_part_size=10)
CONTENTS = st.integers(1, 300).map(lambda size: random.Random(size).randbytes(size))


def split(content: bytes, part_size: int) -> list[bytes]:
    return [content[start : start + part_size] for start in range(0, len(content), part_size)]


def stored(bodies: list[bytes]) -> list[StoredPart]:
    return [StoredPart(number, len(body), hashlib.md5(body).hexdigest()) for number, body in enumerate(bodies, start=1)]


def passes(plan: Plan, parts: list[StoredPart], *, free: bool, equal: bool, claimed: dict[int, str]) -> bool:
    try:
        check_parts(plan, parts, free=free, limits=LIMITS, equal=equal, claimed=claimed)
    except PartsMismatch as refused:
        return not (refused.details["missing"] or refused.details["wrong"])
    return True


def plan_of(content: bytes, part_size: int) -> Plan:
    return Plan(len(content), part_size, len(split(content, part_size)))


@given(CONTENTS, st.integers(5, 100))
def test_planned_parts_pass_both_ways(content: bytes, part_size: int) -> None:
    parts = stored(split(content, part_size))
    claimed = {part.number: part.etag for part in parts}
    for free in (True, False):
        assert passes(plan_of(content, part_size), parts, free=free, equal=True, claimed=claimed)


@given(CONTENTS, st.integers(5, 100), st.data())
def test_any_other_listing_is_refused(content: bytes, part_size: int, data: st.DataObject) -> None:
    plan, parts = plan_of(content, part_size), stored(split(content, part_size))
    sizes = st.lists(st.tuples(st.integers(1, 22), st.integers(0, 100)), max_size=22, unique_by=lambda one: one[0])
    changed = data.draw(
        sizes.map(lambda found: [StoredPart(number, size, "e") for number, size in sorted(found)])
        | st.integers(0, len(parts) - 1).map(lambda gone: parts[:gone] + parts[gone + 1 :])
    )
    assume([(part.number, part.size) for part in changed] != [(part.number, part.size) for part in parts])
    assert not passes(plan, changed, free=False, equal=True, claimed={})


@given(st.integers(1, 300), st.lists(st.integers(1, 100), min_size=1, max_size=20), st.booleans())
def test_free_parts_pass_exactly_if_they_make_the_file(size: int, sizes: list[int], equal: bool) -> None:
    parts = [StoredPart(number, part, "e") for number, part in enumerate(sizes, start=1)]
    expected = (
        sum(sizes) == size
        and all(part >= LIMITS.min_part_size for part in sizes[:-1])
        and (not equal or (len(set(sizes[:-1])) <= 1 and sizes[-1] <= sizes[0]))
    )
    assert passes(Plan(size, 10, LIMITS.max_parts), parts, free=True, equal=equal, claimed={}) is expected


@given(CONTENTS, st.integers(5, 100), st.integers(0, 20), st.text("0123456789abcdef", min_size=32, max_size=32))
def test_one_wrong_claim_is_enough(content: bytes, part_size: int, which: int, etag: str) -> None:
    parts = stored(split(content, part_size))
    claimed = {part.number: part.etag for part in parts}
    number = which % len(parts) + 1
    assume(claimed[number] != etag)
    plan = plan_of(content, part_size)
    assert not passes(plan, parts, free=False, equal=True, claimed=claimed | {number: etag})


@given(CONTENTS, st.integers(5, 100))
def test_checksum_can_be_computed_from_the_content_alone(content: bytes, part_size: int) -> None:
    etag = composite_etag([part.etag for part in stored(split(content, part_size))])
    assert etag is not None
    checksum = file_checksum(etag, part_size, None, opaque=False)
    value, _, read_in = checksum.removeprefix("multipart:").rpartition("-")
    digests = [hashlib.md5(body).digest() for body in split(content, int(read_in))]
    assert value == f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(digests)}"
    assert declared_matches(checksum, etag)
    assert checksum.count(":") == 1


@given(CONTENTS, st.lists(st.integers(1, 100), min_size=1, max_size=20))
def test_checksum_of_free_parts_is_only_promised_where_it_can_be_computed(content: bytes, cuts: list[int]) -> None:
    bodies, rest = [], content
    for cut in cuts:
        bodies.append(rest[:cut])
        rest = rest[cut:]
    bodies = [body for body in [*bodies, rest] if body]
    parts = stored(bodies)
    etag = composite_etag([part.etag for part in parts])
    assert etag is not None
    checksum = file_checksum(etag, 10, parts, opaque=False)
    if checksum.startswith("multipart:"):
        assert split(content, int(checksum.rpartition("-")[2])) == bodies
    else:
        assert checksum == f"etag:{etag}"
        assert split(content, len(bodies[0])) != bodies

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Do the stored parts match the plan, and is the stored object what the parts make?"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import InvalidChecksum, PartsMismatch
from ..store.contract import StoredPart
from .plan import Limits, Plan

_DECLARED = re.compile(
    r"multipart:[0-9a-f]{32}-(?P<count>[1-9]\d{0,4})-(?P<part_size>[1-9]\d{0,18})"
    r"|etag:[0-9A-Za-z+/=_.-]{1,200}|md5:(?P<md5>[0-9a-f]{32})"
)
_MD5_ETAG = re.compile(r"[0-9a-f]{32}")
LISTED_PROBLEMS = 100
"""How many wrong parts an answer lists; with thousands of them the first ones tell enough."""


@dataclass
class _Findings:
    missing: list[tuple[int, int]] = field(default_factory=list)
    wrong: list[dict[str, Any]] = field(default_factory=list)

    def report(self, size: int, stored: int) -> None:
        if not self.missing and not self.wrong:
            return
        raise PartsMismatch(
            "The parts at the store do not match the upload.",
            missing=[list(r) for r in self.missing[:LISTED_PROBLEMS]],
            wrong=self.wrong[:LISTED_PROBLEMS],
            size=size,
            stored_size=stored,
        )


def check_parts(
    plan: Plan, parts: Sequence[StoredPart], *, free: bool, limits: Limits, equal: bool, claimed: Mapping[int, str]
) -> None:
    """Check the listing of the store against the plan and against what the client says.

    :param parts: what the store lists, by number.
    :param free: the client has chosen the sizes itself: numbers 1..N without a hole, the store's minimum for all but
        the last, equal sizes if ``equal``, and the total count.
    :param claimed: number -> ETag (without quotes) that the client got; empty if it does not say.
    :raises PartsMismatch: with the missing ranges and the wrong parts (number, problem, expected and found).
    """
    findings = _Findings()
    if free:
        _check_free(plan, parts, limits, equal, findings)
    else:
        _check_fixed(plan, parts, findings)
    _check_claims(parts, claimed, findings)
    findings.report(plan.size, sum(part.size for part in parts))


def _check_fixed(plan: Plan, parts: Sequence[StoredPart], findings: _Findings) -> None:
    findings.missing = plan.missing(part.number for part in parts)
    for part in parts:
        if part.number > plan.parts_count:
            findings.wrong.append({"part": part.number, "problem": "not in the plan"})
        elif part.size != (expected := plan.size_of(part.number)):
            findings.wrong.append({"part": part.number, "problem": "size", "expected": expected, "found": part.size})


def _check_free(plan: Plan, parts: Sequence[StoredPart], limits: Limits, equal: bool, findings: _Findings) -> None:
    last = parts[-1].number if parts else 1
    findings.missing = Plan(plan.size, plan.part_size, last).missing(part.number for part in parts)
    for part in parts[:-1]:
        if part.size < limits.min_part_size:
            findings.wrong.append(
                {"part": part.number, "problem": "too small", "expected": limits.min_part_size, "found": part.size}
            )
        elif equal and part.size != parts[0].size:
            findings.wrong.append(
                {"part": part.number, "problem": "not equal", "expected": parts[0].size, "found": part.size}
            )
    if equal and len(parts) > 1 and parts[-1].size > parts[0].size:
        findings.wrong.append(
            {"part": last, "problem": "not equal", "expected": parts[0].size, "found": parts[-1].size}
        )
    total = sum(part.size for part in parts)
    if not findings.missing and total != plan.size:
        findings.wrong.append({"part": None, "problem": "total size", "expected": plan.size, "found": total})


def _check_claims(parts: Sequence[StoredPart], claimed: Mapping[int, str], findings: _Findings) -> None:
    stored = {part.number: part.etag for part in parts}
    for number, etag in claimed.items():
        if number in stored and stored[number] != etag:
            findings.wrong.append({"part": number, "problem": "etag", "expected": etag, "found": stored[number]})
        elif number not in stored and not any(first <= number <= last for first, last in findings.missing):
            findings.wrong.append({"part": number, "problem": "not stored"})


def composite_etag(etags: Sequence[str]) -> str | None:
    """The ETag that a store gives an object joined from parts with these ETags, or None where they are no MD5.

    ``md5(md5 of part 1 + md5 of part 2 + ...)-N``, the digests as bytes: so do AWS, Ceph, MinIO and R2; see
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html.
    """
    if not etags or not all(_MD5_ETAG.fullmatch(etag) for etag in etags):
        return None
    joined = hashlib.md5(bytes.fromhex("".join(etags)), usedforsecurity=False).hexdigest()
    return f"{joined}-{len(etags)}"


def declared_matches(declared: str, composite: str) -> bool:
    """Whether a declared ``multipart:<etag>-<part size>`` or ``etag:<etag>`` is about this composite ETag."""
    algorithm, _, value = declared.partition(":")
    if algorithm == "multipart":
        value = value.rpartition("-")[0]
    return value == composite


def comparable(declared: str, plan: Plan, *, opaque: bool) -> str:
    """A declared checksum in the form that :func:`declared_matches` takes.

    :param declared: ``multipart:<etag>-<part size>``, ``etag:<etag>``, or for a file of one part ``md5:<md5>``.
    :param opaque: whether the store's ETags are no MD5, so that nothing can be compared.
    :raises InvalidChecksum: it cannot be verified without reading the file back.
    """
    found = None if opaque else _DECLARED.fullmatch(declared)
    if found is None:
        raise InvalidChecksum("The store cannot verify a checksum of this form; leave it out, or give the ETag.")
    count, part_size, md5 = found["count"], found["part_size"], found["md5"]
    if count and (int(count), int(part_size)) != (plan.parts_count, plan.part_size):
        raise InvalidChecksum(f"The checksum is not one of {plan.parts_count} parts of {plan.part_size} bytes.")
    if md5 and plan.parts_count > 1:
        raise InvalidChecksum("The MD5 of a file in several parts cannot be verified; leave it out, or give the ETag.")
    return f"etag:{composite_etag([md5])}" if md5 else declared


def file_checksum(etag: str, part_size: int, free_parts: Sequence[StoredPart] | None, *, opaque: bool) -> str:
    """The checksum that a completed file gets, in a form that can be verified later.

    ``multipart:<etag>-<part size>``, the ecosystem's own form, where reading the file in parts of that size gives the
    ETag again; ``md5:<etag>`` where the store answers the MD5 of the whole object; else ``etag:<etag>``, which only the
    store can confirm.

    :param free_parts: the parts of an upload whose client chose the sizes itself, else None.
    """
    if opaque:
        return f"etag:{etag}"
    if "-" not in etag:
        return f"md5:{etag}" if _MD5_ETAG.fullmatch(etag) else f"etag:{etag}"
    if free_parts is None:
        return f"multipart:{etag}-{part_size}"
    first = free_parts[0].size if free_parts else 0
    equal = all(part.size == first for part in free_parts[:-1]) and all(part.size <= first for part in free_parts[-1:])
    return f"multipart:{etag}-{first}" if equal and free_parts else f"etag:{etag}"

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What both faces answer alike: files, the parts that have arrived, and fresh URLs."""

from collections.abc import Mapping
from typing import Any

from oarepo_s3_client.api import FileInfo, UploadStatus
from oarepo_s3_client.plan import text_of
from oarepo_s3_client.servers.protocol import Asking, Operation, Response, document_of, signed_parts
from oarepo_s3_client.servers.shapes import (
    list_of,
    number_of,
    object_of,
    objects_of,
    of_type,
    optional_text,
    part_number_of,
    range_of,
    unexpected,
)
from oarepo_s3_client.work import SignedPart


def file_info(entry: Mapping[str, Any], *, pending: bool) -> FileInfo:
    """A file in a list."""
    size = entry.get("size")
    return FileInfo(
        key=of_type(entry.get("key"), str),
        size=None if size is None else number_of(size),
        checksum=optional_text(entry.get("checksum")),
        status="pending" if pending else "completed",
        mimetype=optional_text(entry.get("mimetype")),
    )


def arrived_parts(listed: Any) -> dict[int, tuple[str, int]]:
    """Number -> (ETag, size) of ``[{"part", "etag", "size"}]``."""
    return {
        part_number_of(part.get("part")): (of_type(part.get("etag"), str), number_of(part.get("size")))
        for part in objects_of(listed)
    }


def ask_status(asking: Asking, url: str) -> Operation[tuple[UploadStatus, dict[int, tuple[str, int]]]]:
    """The state of an upload, over all pages, and what has arrived."""
    arrived: dict[int, tuple[str, int]] = {}
    page = 1
    while True:
        answer = yield from asking.ask("GET", f"{url}?page={page}", busy=True)
        report = document_of(answer, dict)
        known = len(arrived)
        arrived |= arrived_parts(report.get("parts"))
        if "next" not in object_of(report.get("links")):
            break
        if len(arrived) == known:
            raise unexpected()  # pages without end
        page += 1
    return _status(report, arrived), arrived


def _status(report: Mapping[str, Any], arrived: Mapping[int, tuple[str, int]]) -> UploadStatus:
    plan = object_of(report.get("plan"))
    return UploadStatus(
        state=of_type(report.get("state"), str),
        size=number_of(plan.get("size")),
        part_size=number_of(plan.get("part_size")),
        parts_count=number_of(plan.get("parts_count")),
        arrived=sorted(arrived),
        missing=[range_of(span) for span in list_of(report.get("missing"))],
        expires_at=optional_text(report.get("expires_at")),
    )


def ask_urls(asking: Asking, url: str, numbers: tuple[int, ...]) -> Operation[list[SignedPart]]:
    """Fresh URLs of parts; the file that goes by one PUT is part 1."""
    answer: Response = yield from asking.ask("POST", url, json={"parts": text_of(numbers)}, busy=True)
    document = document_of(answer, dict)
    if "put" in document:
        return signed_parts([{**object_of(document["put"]), "part": 1}], answer.headers)
    return signed_parts(document.get("parts"), answer.headers)


def parts_to_send_again(answer: Response) -> tuple[int, ...] | None:
    """The parts that a refusal to complete names; None if the refusal is about something else."""
    facts = answer.document()
    return named_parts(facts) if answer.status == 409 and isinstance(facts, dict) else None


def named_parts(facts: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The parts that a conflict names; None if it names none."""
    if facts.get("code") != "parts_mismatch":
        return None
    numbers = {number for span in list_of(facts.get("missing")) for number in _numbers(*range_of(span))}
    wrong = [part.get("part") for part in objects_of(facts.get("wrong"))]
    return tuple(sorted(numbers | {part_number_of(number) for number in wrong if number is not None})) or None


def _numbers(first: int, last: int) -> range:
    return range(first, last + 1)

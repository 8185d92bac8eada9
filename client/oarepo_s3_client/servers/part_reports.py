# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What both faces answer alike: the parts that have arrived, and fresh URLs."""

from collections.abc import Iterable, Mapping
from typing import Any

from oarepo_s3_client.api import UploadStatus
from oarepo_s3_client.plan import text_of
from oarepo_s3_client.servers.protocol import Asking, Operation, Response, document_of, signed_parts
from oarepo_s3_client.work import SignedPart


def arrived_parts(listed: Iterable[Mapping[str, Any]]) -> dict[int, tuple[str, int]]:
    """Number -> (ETag, size) of ``[{"part", "etag", "size"}]``."""
    return {int(part["part"]): (str(part["etag"]), int(part["size"])) for part in listed}


def ask_status(asking: Asking, url: str) -> Operation[tuple[UploadStatus, dict[int, tuple[str, int]]]]:
    """The state of an upload, over all pages, and what has arrived."""
    arrived: dict[int, tuple[str, int]] = {}
    page = 1
    while True:
        answer = yield from asking.ask("GET", f"{url}?page={page}", busy=True)
        report = document_of(answer, dict)
        arrived |= arrived_parts(report["parts"])
        page += 1
        if "next" not in report.get("links", {}):
            break
    plan = report["plan"]
    status = UploadStatus(
        state=str(report["state"]),
        size=int(plan["size"]),
        part_size=int(plan["part_size"]),
        parts_count=int(plan["parts_count"]),
        arrived=sorted(arrived),
        missing=[(int(first), int(last)) for first, last in report["missing"]],
        expires_at=report.get("expires_at"),
    )
    return status, arrived


def ask_urls(asking: Asking, url: str, numbers: tuple[int, ...]) -> Operation[list[SignedPart]]:
    """Fresh URLs of parts; the file that goes by one PUT is part 1."""
    answer: Response = yield from asking.ask("POST", url, json={"parts": text_of(numbers)}, busy=True)
    document = document_of(answer, dict)
    return signed_parts(
        [{**document["put"], "part": 1}] if "put" in document else document.get("parts"), answer.headers
    )


def parts_to_send_again(answer: Response) -> tuple[int, ...] | None:
    """The parts that a refusal to complete names; None if the refusal is about something else."""
    facts = answer.document()
    return named_parts(facts) if answer.status == 409 and isinstance(facts, dict) else None


def named_parts(facts: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The parts that a conflict names; None if it is about something else."""
    if facts.get("code") != "parts_mismatch":
        return None
    missing = [number for first, last in facts.get("missing", ()) for number in range(int(first), int(last) + 1)]
    wrong = [int(part["part"]) for part in facts.get("wrong", ()) if part.get("part") is not None]
    return tuple(sorted({*missing, *wrong}))

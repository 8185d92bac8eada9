# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What an uploader is told: the facts of an upload, its part URLs, and what has arrived."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..errors import (
    InvalidPartList,
    InvalidPartNumber,
    OARepoS3Error,
    UploadAborted,
    UploadBusy,
    UploadCompleted,
    UploadExpired,
    UploadLost,
)
from ..store.contract import StoredPart
from .models import Upload
from .states import Event, State


@dataclass(frozen=True, slots=True)
class SignedPart:
    """A part number and the URL to put the part to."""

    number: int
    url: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PartsReport:
    """What has arrived of an upload, and the ranges (first, last) that have not."""

    upload: Upload
    parts: Sequence[StoredPart]
    missing: Sequence[tuple[int, int]]


def numbers_of(ranges: str, last: int, most: int) -> list[int]:
    """The part numbers that ``"1-100,205"``, ``"all"`` or ``"none"`` stands for, each once, in order.

    :param last: the number of the last part.
    :param most: how many may be asked for.
    :raises InvalidPartList: it cannot be read, or asks for too many.
    :raises InvalidPartNumber: it names a part that the upload does not have.
    """
    if ranges == "none":
        return []
    spans = [(1, last)] if ranges == "all" else [_span(item) for item in ranges.split(",")]
    if sum(to - start + 1 for start, to in spans) > most:
        raise InvalidPartList(f"At most {most} parts can be asked for at a time.", limit=most)
    for start, to in spans:
        if not 1 <= start <= to <= last:
            raise InvalidPartNumber(f"The upload has the parts 1 to {last}.", part=start if start < 1 else to)
    return sorted({number for start, to in spans for number in range(start, to + 1)})


def _span(item: str) -> tuple[int, int]:
    first, dash, last = item.strip().partition("-")
    if not (first.isascii() and first.isdigit() and len(first) < 8 and len(last) < 8) or (
        dash and not (last.isascii() and last.isdigit())
    ):
        raise InvalidPartList("parts has to look like 1-100,205.")
    return int(first), int(last) if dash else int(first)


def first_numbers(upload: Upload, count: int) -> list[int]:
    """The numbers of the first parts, at most so many."""
    return list(range(1, min(upload.parts_count, count) + 1))


def session_of(upload: Upload, signed: Iterable[SignedPart], urls: Mapping[str, str | None]) -> dict[str, Any]:
    """The session that an uploader works with.

    The names ``upload_id``, ``key``, ``bucket``, ``parts_url``, ``chunk_size``, ``num_chunks``, ``complete_url`` and
    ``abort_url`` are those that deployed uploaders read.

    :param urls: what the face adds, such as ``complete_url``, ``sign_url``; those of the upload itself are kept.
    """
    parts = list(signed)
    own = {"complete_url": upload.complete_url, "abort_url": upload.abort_url}
    return {
        "id": str(upload.id),
        "upload_id": upload.public_id,
        "state": str(upload.state),
        "key": upload.s3_key,
        "bucket": upload.s3_bucket,
        "size": upload.size,
        "part_size": upload.part_size,
        "parts_count": upload.parts_count,
        "chunk_size": upload.part_size,
        "num_chunks": upload.parts_count,
        "expires_at": upload.expires_at.isoformat(),
        "parts_url": [part.url for part in parts],
        "parts": parts_with_urls(parts),
        **own,
        **urls,
    }


def parts_with_urls(parts: Iterable[SignedPart]) -> list[dict[str, Any]]:
    """``[{"part", "url", "expires_at"}]``."""
    return [{"part": part.number, "url": part.url, "expires_at": part.expires_at.isoformat()} for part in parts]


def arrived(parts: Iterable[StoredPart]) -> list[dict[str, Any]]:
    """``[{"part", "size", "etag"}]``."""
    return [{"part": part.number, "size": part.size, "etag": part.etag} for part in parts]


def config_of(upload: Upload) -> dict[str, Any]:
    """``multipart_config`` of the signals: what 1.4 kept in a tag, without any URL."""
    return {
        "upload_id": upload.public_id,
        "key": upload.s3_key,
        "bucket": upload.s3_bucket,
        "size": upload.size,
        "part_size": upload.part_size,
        "parts_count": upload.parts_count,
    }


def ended(upload: Upload) -> OARepoS3Error:
    """The error for an upload that can no longer be used."""
    if upload.state is State.OPENING:
        return UploadBusy("The upload is being opened.", retry_after=2)
    if upload.state is State.COMPLETING:
        return UploadBusy("The upload is being completed.", retry_after=5)
    if upload.state is State.COMPLETED:
        return UploadCompleted("The upload is completed.")
    if upload.state is State.LOST:
        return UploadLost("The upload is gone at the store.")
    if upload.ending == Event.EXPIRE:
        return UploadExpired("The upload has expired.", expired_at=upload.expires_at.isoformat())
    return UploadAborted("The upload was aborted.")

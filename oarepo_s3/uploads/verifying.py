# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Ask the store what it has of an upload, and tell whether that is the declared file; no database."""

from collections.abc import Mapping, Sequence

from ..errors import PartsMismatch, StoreUploadGone
from ..store.contract import StoredObject, StoredPart
from .context import Context
from .description import PartsReport
from .integrity import check_parts, composite_etag, declared_matches, file_checksum
from .models import Upload
from .one_put import arrived_object, is_ours, md5_hex
from .states import State


def checked_parts(context: Context, upload: Upload, claimed: Mapping[int, str]) -> Sequence[StoredPart]:
    """The parts at the store, checked; asked for once more where the client reports one that is not listed.

    :raises PartsMismatch: parts are missing or wrong.
    :raises StoreError: the store could not be asked.
    """
    store, rules = context.store, context.rules
    parts = store.list_parts(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
    if claimed.keys() - {part.number for part in parts}:
        parts = store.list_parts(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
    check_parts(
        upload.plan, parts, free=upload.free_plan, limits=context.limits, equal=rules.equal_parts, claimed=claimed
    )
    expected = None if rules.opaque_etags else composite_etag([part.etag for part in parts])
    if upload.checksum and expected and not declared_matches(upload.checksum, expected):
        raise PartsMismatch(
            "The parts are not the file that was declared.",
            missing=[],
            wrong=[{"part": None, "problem": "checksum", "expected": upload.checksum, "found": expected}],
        )
    return parts


def report_of(context: Context, upload: Upload) -> PartsReport:
    """What has arrived, as the store lists it; nothing for an upload that has ended.

    :raises StoreError: the store could not be asked.
    """
    parts: Sequence[StoredPart] = []
    if upload.state in (State.OPEN, State.COMPLETING) and upload.is_one_put:
        parts = arrived_object(context, upload)
    elif upload.state in (State.OPEN, State.COMPLETING) and upload.s3_upload_id is not None:
        try:
            parts = context.store.list_parts(upload.s3_bucket, upload.s3_key, upload.s3_upload_id)
        except StoreUploadGone:
            parts = []
    missing = [] if upload.free_plan else upload.plan.missing(part.number for part in parts)
    return PartsReport(upload, parts, missing if upload.state is not State.COMPLETED else [])


def our_object(context: Context, upload: Upload) -> StoredObject | None:
    """The object at the store if it is this upload's.

    :raises StoreError: the store could not be asked.
    """
    found = context.store.head_object(upload.s3_bucket, upload.s3_key)
    if found is None:
        return None
    if upload.is_one_put:
        return found if is_ours(upload, found, opaque=context.rules.opaque_etags) else None
    return found if found.stamp == upload.stamp else None


def verified(
    context: Context, upload: Upload, found: StoredObject, parts: Sequence[StoredPart] | None
) -> tuple[str, str | None]:
    """(ETag, what is wrong with the object or None)."""
    if found.size != upload.size:
        return found.etag, f"the object has {found.size} bytes, not {upload.size}"
    if context.rules.opaque_etags or upload.is_one_put:
        return found.etag, None
    predicted = composite_etag([part.etag for part in parts or ()]) or found.etag
    # rclone answers the MD5 of the whole object here; only another composite can contradict the prediction.
    if "-" in found.etag and found.etag != predicted:
        return found.etag, f"the object's ETag is {found.etag}, its parts make {predicted}"
    if upload.checksum and "-" in predicted and not declared_matches(upload.checksum, predicted):
        return found.etag, f"the checksum was declared as {upload.checksum}, the parts make {predicted}"
    return predicted, None


def checksum_of(context: Context, upload: Upload, etag: str, parts: Sequence[StoredPart] | None) -> str:
    """The checksum that the completed file gets.

    That of one put is the MD5, whatever the ETag is: the store has checked it when it took the file.
    """
    if upload.content_md5 is not None:
        return f"md5:{md5_hex(upload.content_md5)}"
    free_parts = (parts or ()) if upload.free_plan else None
    return file_checksum(etag, upload.part_size, free_parts, opaque=context.rules.opaque_etags)

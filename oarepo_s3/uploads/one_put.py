# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""One put: a small file goes to the store by one signed PutObject, without a multipart upload there.

Length, MD5 and media type are signed into the URL, so that the store refuses any other bytes, also from a URL that is
still alive when the file has long been complete. Nothing else can write to the object's key, which is made for the
upload. So an object of that size and MD5 under that key is ours, without a stamp in its metadata.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..errors import InvalidChecksum, PartsMismatch
from ..store.contract import StoredObject, StoredPart
from .context import Context
from .models import Upload
from .plan import Plan


@dataclass(frozen=True, slots=True)
class SignedPut:
    """The URL to put a file to, and the headers that have to be sent with it; all of them are signed."""

    url: str = field(repr=False)
    headers: Mapping[str, str]
    expires_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """``{"url", "headers", "expires_at"}``, as JSON can carry it."""
        return {"url": self.url, "headers": dict(self.headers), "expires_at": self.expires_at.isoformat()}


def md5_hex(content_md5: str) -> str:
    """The MD5 in hexadecimal digits.

    :param content_md5: its base64, as in the header ``Content-MD5``.
    :raises InvalidChecksum: it is not the base64 of 16 bytes, in the one way to write it.
    """
    try:
        digest = base64.b64decode(content_md5, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16 or base64.b64encode(digest).decode() != content_md5:
        raise InvalidChecksum("content_md5 has to be the base64 of the 16 bytes of an MD5.")
    return digest.hex()


def plan_one_put(
    context: Context, size: int, content_md5: str | None, *, part_size: int | None, parts_count: int | None
) -> Plan | None:
    """The plan for one put, or None where the file has to go in parts.

    Smaller parts that are asked for go before. Without pinned headers there is no one put.

    :raises InvalidChecksum: the MD5 is none.
    """
    if content_md5 is None:
        return None
    md5_hex(content_md5)
    rules = context.rules
    limit = min(rules.one_put_limit, context.limits.biggest_file) if rules.pin_content_length else 0
    in_parts = (part_size is not None and part_size < size) or parts_count not in (None, 1)
    if not 0 <= size <= limit or not limit or in_parts:
        return None
    return Plan(size, size, 1, content_md5)


def check_declared(checksum: str | None, content_md5: str) -> None:
    """Check that a declared checksum does not contradict the MD5.

    :raises InvalidChecksum: it does, or says something that no file of one put has.
    """
    md5 = md5_hex(content_md5)
    if checksum not in (None, f"etag:{md5}"):
        raise InvalidChecksum("checksum and content_md5 are not of the same file.")


def sign_put(context: Context, upload: Upload) -> SignedPut:
    """The URL of an upload in one put, good for exactly the declared bytes."""
    signed = context.presigner.put_object(
        s3_bucket=context.wire_bucket(upload.s3_bucket),
        key=upload.s3_key,
        expires_in=context.rules.url_expiration,
        content_length=upload.size,
        content_md5=upload.content_md5,
        content_type=upload.content_type,
        not_after=upload.expires_at,
    )
    headers = {
        "Content-Length": str(upload.size),
        "Content-MD5": upload.content_md5 or "",
        "Content-Type": upload.content_type,
    }
    return SignedPut(signed.url, headers, signed.expires_at)


def is_ours(upload: Upload, found: StoredObject, *, opaque: bool) -> bool:
    """Whether the object is the file of an upload in one put.

    :param opaque: the store's ETags are no MD5: what it has taken is what was signed, and the size tells.
    """
    return found.size == upload.size and (opaque or found.etag == md5_hex(upload.content_md5 or ""))


def arrived_object(context: Context, upload: Upload) -> list[StoredPart]:
    """The file as part 1 if the store has it, else nothing.

    :raises StoreError: the store could not be asked.
    """
    found = context.store.head_object(upload.s3_bucket, upload.s3_key)
    if found is None or not is_ours(upload, found, opaque=context.rules.opaque_etags):
        return []
    return [StoredPart(1, found.size, found.etag)]


def checked_object(context: Context, upload: Upload, claimed: Mapping[int, str]) -> StoredObject:
    """The object of an upload in one put.

    :param claimed: 1 -> ETag that the client got, or empty.
    :raises PartsMismatch: it is not there, or is not the file: some stores do not check what is signed.
    :raises StoreError: the store could not be asked.
    """
    found = context.store.head_object(upload.s3_bucket, upload.s3_key)
    wrong: list[dict[str, Any]] = []
    if found is not None:
        expected = {"size": upload.size, "etag": md5_hex(upload.content_md5 or "")}
        facts = {"size": found.size, "etag": expected["etag"] if context.rules.opaque_etags else found.etag}
        wrong = [
            {"part": 1, "problem": name, "expected": expected[name], "found": facts[name]}
            for name in facts
            if facts[name] != expected[name]
        ]
        wrong += [
            {"part": number, "problem": "etag" if number == 1 else "not in the plan", "expected": etag}
            for number, etag in claimed.items()
            if number != 1 or etag != found.etag
        ]
    if found is None or wrong:
        raise PartsMismatch(
            "The file at the store does not match the upload." if wrong else "The file has not arrived.",
            missing=[] if wrong else [[1, 1]],
            wrong=wrong,
            size=upload.size,
            stored_size=0 if found is None else found.size,
        )
    return found

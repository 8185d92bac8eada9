# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Checksums: of parts, of what a store makes of them, and of local files."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from oarepo_s3_client.plan import Plan

_MD5 = re.compile(r"[0-9a-f]{32}")
_MULTIPART = re.compile(r"multipart:(?P<etag>[0-9a-f]{32}-[1-9]\d{0,4})-(?P<part_size>[1-9]\d{0,18})")

Blocks = Callable[[int, int], Iterator[memoryview]]
"""Bytes of a file by offset and size."""


def new_md5() -> "hashlib._Hash":
    """MD5 as S3 uses it, against accidents and not against forgers."""
    return hashlib.md5(usedforsecurity=False)


def is_md5(etag: str) -> bool:
    """Whether the ETag of a part may be its MD5; stores that encrypt by keys of their own answer something else."""
    return _MD5.fullmatch(etag) is not None


def content_md5(md5: str) -> str:
    """An MD5 in hexadecimal as the header ``Content-MD5`` has it."""
    return b64encode(bytes.fromhex(md5)).decode()


def composite_etag(etags: Iterable[str]) -> str | None:
    """The ETag of an object joined from parts with these ETags, in order; None where they are no MD5.

    It is the MD5 of the joined digests, a dash and the number of parts:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html.
    """
    listed = list(etags)
    if not listed or not all(is_md5(etag) for etag in listed):
        return None
    digest = new_md5()
    for etag in listed:
        digest.update(bytes.fromhex(etag))
    return f"{digest.hexdigest()}-{len(listed)}"


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum that can be computed again from the bytes alone.

    Attributes:
        text: as the repository writes it.
        algorithm: ``multipart`` (``multipart:<etag>-<part size>``), or the name of a hash.
        value: the ETag, or the hash.
        part_size: bytes; 0 unless ``multipart``.
    """

    text: str
    algorithm: str
    value: str
    part_size: int = 0


def parse_checksum(text: str | None) -> Checksum | None:
    """The checksum, or None where it says nothing about the bytes, such as ``etag:...``."""
    if text is None:
        return None
    found = _MULTIPART.fullmatch(text)
    if found:
        return Checksum(text, "multipart", found["etag"], int(found["part_size"]))
    algorithm, _, value = text.partition(":")
    if algorithm in ("md5", "sha1", "sha256", "sha512") and value:
        return Checksum(text, algorithm, value.lower())
    return None


def same_object(predicted: str | None, checksum: str | None, md5: str | None = None) -> bool:
    """Whether what the repository says of the file agrees with ours; True where nothing can be said.

    Args:
        predicted: the ETag that the joined parts are to have, if it is known.
        checksum: the repository's.
        md5: of the whole file, if it is known.
    """
    known = parse_checksum(checksum)
    if known is not None and known.algorithm == "md5" and md5 is not None:
        return known.value == md5
    if predicted is None or checksum is None:
        return True
    if known is not None and known.algorithm == "multipart":
        return known.value == predicted
    algorithm, _, value = checksum.partition(":")
    # Another form of ETag comes from a store whose ETags are no MD5.
    return algorithm != "etag" or re.fullmatch(r"[0-9a-f]{32}-\d+", value) is None or value == predicted


def md5_of_part(blocks: Iterable[memoryview]) -> str:
    """MD5 of a part, in hexadecimal."""
    digest = new_md5()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def local_checksum(wanted: Checksum, size: int, blocks: Blocks) -> str:
    """The same kind of checksum of ``size`` local bytes, written as the repository does."""
    if wanted.algorithm != "multipart":
        digest = hashlib.new(wanted.algorithm, usedforsecurity=False)
        for block in blocks(0, size):
            digest.update(block)
        return f"{wanted.algorithm}:{digest.hexdigest()}"
    plan = Plan(size, wanted.part_size)
    parts = (plan.part(number) for number in range(1, plan.parts_count + 1))
    etag = composite_etag(md5_of_part(blocks(part.offset, part.size)) for part in parts)
    return f"multipart:{etag}-{wanted.part_size}"

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The value object that a caller assigns to ``record.files[key]``."""

from dataclasses import dataclass, field
from typing import Any

from .errors import InvalidExpiry, InvalidSize

MAX_EXPIRES = 10 * 366 * 24 * 3600
"""Longest life of an upload in seconds, ten years: more is a mistake, and no database holds any date."""


@dataclass
class MultipartUpload:
    """A file that will go to the store in parts, straight from the depositor.

    ``record.files["data.zip"] = MultipartUpload(...)`` opens a multipart upload at the store and fills :attr:`session`
    with what an uploader needs. The file stays unreadable until the upload is completed.

    :param key: the file's name, as in ``record.files[key]``.
    :param base_uri: URI of the location, ``record.files.bucket.location.uri``; kept for callers written for 1.x.
    :param expires: life of the upload in seconds, or None for ``S3_MULTIPART_UPLOAD_EXPIRATION``.
    :param size: size of the whole file in bytes, at least 1.
    :param part_size: size of each part but the last in bytes, or None for a plan made by the server.
    :param complete_url: where the uploader says that all parts are there; goes into the session.
    :param abort_url: where the uploader gives up; goes into the session.
    :param content_type: media type that the store gives back with the object.
    :param fingerprint: what the client says identifies the content; opening again with the same one resumes.
    :raises InvalidSize: the size is no positive whole number.
    :raises InvalidExpiry: the life is no positive whole number.
    """

    key: str
    base_uri: str | None = None
    expires: int | None = None
    size: int = 0
    part_size: int | None = None
    complete_url: str | None = None
    abort_url: str | None = None
    content_type: str = "application/octet-stream"
    fingerprint: str | None = None
    session: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check what can be checked without the store."""
        if type(self.size) is not int or self.size < 1:
            raise InvalidSize("size has to be a whole number of bytes, at least 1.", size=self.size)
        if self.expires is not None and (type(self.expires) is not int or not 1 <= self.expires <= MAX_EXPIRES):
            problem = f"expires has to be a whole number of seconds, 1 to {MAX_EXPIRES}."
            raise InvalidExpiry(problem, expires=self.expires)

    def __len__(self) -> int:
        """Size of the whole file in bytes, so that code that asks a stream for its length gets it."""
        return self.size

    def __bool__(self) -> bool:
        """Always true: Invenio takes a false stream for none at all."""
        return True

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""One tree of errors, each with a stable code and a hint for HTTP.

Codes are an append-only part of the REST contract: clients branch on them, so one is never renamed or reused. The tree
is ordered by what the caller can do about it::

    OARepoS3Error
    ├── ConfigurationError          the operator mends a setting
    ├── BadRequest            400   the client mends its request
    ├── Forbidden             403   the bucket is locked
    ├── NotFound              404
    ├── Conflict              409   the client repairs, or repeats later
    ├── Gone                  410   the client opens a new upload
    ├── QuotaExceeded         413   the client sends less
    └── StoreError            503   nobody's fault here: try again later
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class OARepoS3Error(Exception):
    """Base of every error of this package.

    :param message: one sentence for people; never holds a credential, a URL or a signature.
    :param details: machine-readable facts that go into the JSON answer beside ``code``.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, **details: Any) -> None:
        """Keep the message and the details."""
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, Any] = details

    @property
    def retry_after(self) -> int | None:
        """Seconds after which the same request may succeed, or None."""
        value = self.details.get("retry_after")
        return int(value) if value is not None else None


class ConfigurationError(OARepoS3Error, ValueError):
    """A setting has a value that cannot work; raised at start."""

    code = "invalid_configuration"

    def __init__(self, setting: str, problem: str) -> None:
        """Name the setting and say what is wrong with it."""
        super().__init__(f"{setting}: {problem}", setting=setting)


class BadRequest(OARepoS3Error):
    """The request cannot be served as it is."""

    code = "bad_request"
    status = 400


class InvalidKey(BadRequest):
    """The file key could not be reached by a URL afterwards, or is too long."""

    code = "invalid_key"


class InvalidSize(BadRequest):
    """The size is no positive number of bytes; an empty file goes by a plain PUT."""

    code = "invalid_size"


class InvalidPlan(BadRequest):
    """Size, part size and number of parts do not go together; details say what would."""

    code = "invalid_plan"


class InvalidPartNumber(BadRequest):
    """A part number outside 1..parts_count."""

    code = "invalid_part_number"


class InvalidPartList(BadRequest):
    """A list of parts that cannot be read, or holds a part twice with different ETags."""

    code = "invalid_part_list"


class InvalidExpiry(BadRequest):
    """A life of a URL outside 1 s .. 7 d."""

    code = "invalid_expiry"


class InvalidChecksum(BadRequest):
    """A declared checksum that has no known form."""

    code = "invalid_checksum"


class NotAnS3Location(BadRequest):
    """The bucket's files are kept somewhere else than in an S3 store."""

    code = "not_an_s3_location"


class Forbidden(OARepoS3Error):
    """The state of the bucket forbids it, whoever asks."""

    code = "forbidden"
    status = 403


class BucketLocked(Forbidden):
    """The bucket is locked or deleted."""

    code = "bucket_locked"


class NotFound(OARepoS3Error):
    """No such thing, or none that the caller may know of."""

    code = "not_found"
    status = 404


class FileNotFound(NotFound):
    """The record has no such readable file."""

    code = "file_not_found"


class UploadNotFound(NotFound):
    """No upload of that id or key belongs to this record."""

    code = "upload_not_found"


class Conflict(OARepoS3Error):
    """The state of the upload does not allow it now."""

    code = "conflict"
    status = 409


class UploadExists(Conflict):
    """Another upload of the same key is pending, with another size, plan or content."""

    code = "upload_exists"


class UploadBusy(Conflict):
    """Another request is opening, completing or aborting this upload; repeat later."""

    code = "upload_busy"


class UploadCompleted(Conflict):
    """The upload is completed; what would end it comes too late."""

    code = "upload_completed"


class PartsMismatch(Conflict):
    """What is stored does not match the plan; details list ``missing`` ranges and ``wrong`` parts."""

    code = "parts_mismatch"


class IllegalTransition(Conflict):
    """The transition table has no such event in this state; nothing was changed."""

    code = "illegal_transition"


class Gone(OARepoS3Error):
    """The upload has ended without a file."""

    code = "gone"
    status = 410


class UploadExpired(Gone):
    """The upload's time is over."""

    code = "upload_expired"


class UploadAborted(Gone):
    """The upload was aborted, or could not be opened."""

    code = "upload_aborted"


class UploadLost(Gone):
    """The store no longer has the upload, nor an object of ours."""

    code = "upload_lost"


class QuotaExceeded(OARepoS3Error):
    """The declared size does not fit into the bucket's quota or its file size limit."""

    code = "quota_exceeded"
    status = 413


class StoreError(OARepoS3Error):
    """The store could not do it."""

    code = "store_unavailable"
    status = 503

    def __init__(self, message: str, *, retry_after: int = 5, **details: Any) -> None:
        """Say when to try again, in seconds."""
        super().__init__(message, retry_after=retry_after, **details)


class StoreRefused(StoreError):
    """The store said no, and nothing was done there: credentials, a missing bucket, a malformed call."""

    code = "store_refused"


class StorePartsRefused(StoreRefused):
    """The store refused to complete because of the parts: one is missing, too small, or has another ETag."""

    code = "store_parts_refused"


class StoreUploadGone(StoreRefused):
    """The store knows no such upload: it was completed, aborted, or never was."""

    code = "store_upload_gone"


class StoreRetryLater(StoreError):
    """The store is busy, and nothing was done there."""

    code = "store_retry_later"


class StoreUnknownOutcome(StoreError):
    """No answer, or one that leaves open whether it was done: time-out, connection lost, 500."""

    code = "store_unknown_outcome"


def all_codes(base: type[OARepoS3Error] = OARepoS3Error) -> Sequence[tuple[str, int, type[OARepoS3Error]]]:
    """Every (code, HTTP status, class), depth first in the order of definition; the docs are checked against it."""
    found = [(base.code, base.status, base)]
    for child in base.__subclasses__():
        found.extend(all_codes(child))
    return found

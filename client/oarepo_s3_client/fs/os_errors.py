# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The client's errors as those that users of files expect."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from oarepo_s3_client.errors import ClientError, NotAuthorised, NotFound, UsageError

TOKEN_HINT = "Give token=, or set OAREPO_S3_TOKEN."

_BY_CODE = {
    "invalid_key": errno.EINVAL,
    "quota_exceeded": errno.ENOSPC,
    "transfer_busy": errno.EBUSY,
    "upload_busy": errno.EBUSY,
    "upload_exists": errno.EEXIST,
}
_BY_CLASS = {NotFound: errno.ENOENT, NotAuthorised: errno.EACCES, UsageError: errno.EINVAL}


@contextmanager
def as_os_errors(path: str) -> Iterator[None]:
    """Turn errors of the client into ``OSError``.

    Args:
        path: what they are about.

    Raises:
        FileNotFoundError: there is no such file, or no such record.
        PermissionError: the repository does not allow it.
        FileExistsError: the file is there, or another upload of it.
        OSError: anything else; the client's error is its cause.
    """
    try:
        yield
    except ClientError as error:
        hint = TOKEN_HINT if isinstance(error, NotAuthorised) else error.hint
        # With its number given, OSError makes itself the subclass that belongs to it.
        raise OSError(_number(error), f"{error.message} {hint}".strip(" ."), path) from error


def _number(error: ClientError) -> int:
    if isinstance(error.__cause__, OSError) and error.__cause__.errno:
        return error.__cause__.errno
    by_class = (number for kind, number in _BY_CLASS.items() if isinstance(error, kind))
    return _BY_CODE.get(error.code) or next(by_class, errno.EIO)


def os_error(number: int, path: str) -> OSError:
    """The error with the system's words for it."""
    return OSError(number, os.strerror(number), path)

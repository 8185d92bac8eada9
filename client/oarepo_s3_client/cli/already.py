# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Files that are at the other end already, so that a run that is repeated sends and fetches only the rest."""

import os
from collections.abc import Iterator
from functools import partial

from oarepo_s3_client.api import FileInfo

BLOCK = 2**20


def is_same(path: str | os.PathLike[str], info: FileInfo) -> bool:
    """Whether a local file has the size and the checksum of a record's file; False where that cannot be told.

    Raises:
        OSError: the local file cannot be read.
    """
    from oarepo_s3_client.integrity import local_checksum, parse_checksum  # brings OpenSSL; --help can do without

    wanted = parse_checksum(info.checksum)
    if info.status != "completed" or wanted is None or os.stat(path).st_size != info.size:
        return False
    return local_checksum(wanted, info.size, partial(_blocks, path)) == wanted.text


def _blocks(path: str | os.PathLike[str], offset: int, size: int) -> Iterator[memoryview]:
    with open(path, "rb") as file:
        file.seek(offset)
        while size > 0 and (block := file.read(min(BLOCK, size))):
            size -= len(block)
            yield memoryview(block)

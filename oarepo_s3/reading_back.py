# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Replace the composite checksum of a file, which the store has vouched for, by the MD5 of the whole.

The file has to be read back for it, so this is an operator's choice, and slow on purpose.
"""

import hashlib
import logging
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from celery import shared_task
from flask import current_app
from invenio_db import db
from invenio_files_rest.errors import StorageError
from invenio_files_rest.models import FileInstance

logger = logging.getLogger(__name__)

RATE_SETTING = "S3_MULTIPART_RDM_RECOMPUTE_RATE"

BLOCK = 4 * 2**20
"""Bytes read at a time: all that is held in memory."""

BREAKS = 5
"""How often in a row reading may break off without having got on."""


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


@dataclass
class _Digests:
    """MD5 of what was read so far, and of each part of it."""

    part_size: int
    done: int = 0
    whole: Any = field(default_factory=_md5)
    part: Any = field(default_factory=_md5)
    parts: list[bytes] = field(default_factory=list)

    @property
    def wanted(self) -> int:
        """How many bytes to read next: no block reaches into the next part."""
        return min(BLOCK, self.part_size - self.done % self.part_size)

    def update(self, block: bytes) -> None:
        """Go on with these bytes."""
        self.whole.update(block)
        self.part.update(block)
        self.done += len(block)
        if self.done % self.part_size == 0:
            self._end_part()

    def _end_part(self) -> None:
        self.parts.append(self.part.digest())
        self.part = _md5()

    def composite(self) -> str:
        """What the store made of the parts: ``<MD5 of their MD5s>-<number of parts>``."""
        if self.done % self.part_size:
            self._end_part()
        joined = _md5()
        joined.update(b"".join(self.parts))
        return f"{joined.hexdigest()}-{len(self.parts)}"


def request_md5(file_id: uuid.UUID) -> None:
    """Have the file read back, if the operator wants that.

    :raises OperationalError: there is no broker.
    """
    if current_app.config[RATE_SETTING]:
        replace_composite_checksum.delay(str(file_id))


@shared_task(acks_late=True)
def replace_composite_checksum(file_id: str) -> str | None:
    """Read a file back and replace its ``multipart:`` checksum by ``md5:`` and the MD5 of the whole.

    Reads at most ``S3_MULTIPART_RDM_RECOMPUTE_RATE`` bytes a second, goes on where the connection broke off, and holds
    no database connection meanwhile. A file that has no such checksum, any more or at all, is left alone.

    :returns: the new checksum, or None.
    :raises StorageError: the file cannot be read, or is not what the checksum says; that is noted as a failed check.
    """
    file = db.session.get(FileInstance, uuid.UUID(file_id))
    composite = "" if file is None else file.checksum or ""
    if not composite.startswith("multipart:"):
        return None
    storage, size, rate = file.storage(), file.size, current_app.config[RATE_SETTING] or float("inf")
    db.session.commit()
    etag, _, part_size = composite.removeprefix("multipart:").rpartition("-")
    digests = _read(storage, size, _Digests(int(part_size)), rate)
    if digests.composite() != etag:
        _note(file_id, composite, last_check=False)
        raise StorageError(description=f"The file {file_id} is not what its checksum says.")
    checksum = f"md5:{digests.whole.hexdigest()}"
    return checksum if _note(file_id, composite, last_check=True, checksum=checksum) else None


def _read(storage: Any, size: int, digests: _Digests, rate: float) -> _Digests:
    breaks = 0
    while digests.done < size:
        before = digests.done
        try:
            _read_on(storage, digests, rate)
        except Exception:  # storages raise what their libraries raise
            breaks = 0 if digests.done > before else breaks + 1
            if breaks > BREAKS:
                raise
            logger.warning("reading breaks off at byte %s of %s, and goes on there", digests.done, size, exc_info=True)
        else:
            if digests.done < size:
                raise StorageError(description=f"The file ends at byte {digests.done} of {size}.")
    return digests


def _read_on(storage: Any, digests: _Digests, rate: float) -> None:
    with storage.open(mode="rb") as stream:
        stream.seek(digests.done)
        began = time.monotonic()
        while block := stream.read(digests.wanted):
            digests.update(block)
            time.sleep(max(0.0, began + len(block) / rate - time.monotonic()))
            began = time.monotonic()


def _note(file_id: str, composite: str, **facts: Any) -> bool:
    """Write what was found, unless the checksum has changed meanwhile."""
    rows: Any = db.session.execute(
        sa.update(FileInstance)
        .where(FileInstance.id == uuid.UUID(file_id), FileInstance.checksum == composite)
        .values(last_check_at=datetime.now(UTC), **facts)
    )
    db.session.commit()
    return bool(rows.rowcount)

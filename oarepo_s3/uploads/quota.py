# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Quota truth: what the size of a bucket has to be, from its files and pending uploads.

Invenio keeps the size as a running total. Each version with a file adds the file's size; deleting a key takes off that
of its head and writes a delete marker; removing a version for good takes off its size. So these count:

* each version that has a file, pending ones included with their declared size, but for the version that was head when
  its key was deleted, as long as the marker is there;
* uploads of invenio-files-rest's own multipart interface until they are merged.

Where Invenio's total is known to differ: removing a version whose key was deleted before takes its size off twice, and
removing a delete marker does not add what the deletion took off. Both show up as differences.
"""

import logging
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa
from invenio_files_rest.models import Bucket, FileInstance, MultipartObject, ObjectVersion
from sqlalchemy.orm import Session, scoped_session

from . import files, sessions
from .models import UploadSession
from .states import State

logger = logging.getLogger(__name__)

REPORTED = 1000
"""How many buckets a report names; with more of them the first ones tell enough."""

PAGE = 200
"""Buckets that are looked at in one transaction."""

_BUCKETS, _FILES, _UPLOADS = Bucket.__table__, FileInstance.__table__, UploadSession.__table__
_VERSIONS, _MULTIPARTS = ObjectVersion.__table__, MultipartObject.__table__


@dataclass(frozen=True, slots=True)
class BucketSize:
    """The size of a bucket in bytes: as Invenio has it, and as its files make it."""

    bucket_id: uuid.UUID
    recorded: int
    recomputed: int

    @property
    def difference(self) -> int:
        """Bytes that are recorded too many; negative where they are too few."""
        return self.recorded - self.recomputed

    def as_dict(self) -> dict[str, Any]:
        """The sizes by name, as JSON can carry them."""
        return {
            "bucket": str(self.bucket_id),
            "recorded": self.recorded,
            "recomputed": self.recomputed,
            "difference": self.difference,
        }


@dataclass
class SizesReport:
    """Counts of buckets, and the first of those whose size is wrong."""

    checked: int = 0
    wrong: int = 0
    repaired: int = 0
    differences: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The counts and the list by name."""
        return asdict(self)


def report_sizes(bucket_id: uuid.UUID | None = None, *, repair: bool = False) -> SizesReport:
    """Recompute the size of one bucket, or of all in turn, and repair those that are wrong if that is wanted."""
    report = SizesReport()
    for found in check_sizes(bucket_id):
        report.checked += 1
        if not found.difference:
            continue
        report.wrong += 1
        logger.warning("bucket %s: %s bytes recorded, %s counted", found.bucket_id, found.recorded, found.recomputed)
        if len(report.differences) < REPORTED:
            report.differences.append(found.as_dict())
        if repair:
            before = repair_size(found.bucket_id)
            report.repaired += before is not None and before.difference != 0
    return report


def check_sizes(bucket_id: uuid.UUID | None = None) -> Iterator[BucketSize]:
    """Recompute the size of one bucket, or of all in turn.

    The database adds up; each bucket is seen at one moment, and memory does not depend on how many there are.
    """
    last: uuid.UUID | None = None
    while True:
        with sessions.transaction() as session:
            sizes = _sizes(session, [bucket_id] if bucket_id is not None else _next_buckets(session, last))
        yield from sizes
        if bucket_id is not None or not sizes:
            return
        last = sizes[-1].bucket_id


def repair_size(bucket_id: uuid.UUID) -> BucketSize | None:
    """Write the recomputed size of a bucket, under its lock.

    :returns: the sizes as they were found, or None if there is no such bucket.
    """
    with sessions.transaction() as session:
        files.lock_bucket(session, bucket_id)
        found = _sizes(session, [bucket_id])
        if not found:
            return None
        if found[0].difference:
            session.execute(sa.update(_BUCKETS).where(_BUCKETS.c.id == bucket_id).values(size=found[0].recomputed))
            session.expire_all()  # what the session has read of the bucket before is no longer so
        return found[0]


def _next_buckets(session: scoped_session[Session], last: uuid.UUID | None) -> list[uuid.UUID]:
    query = sa.select(_BUCKETS.c.id).order_by(_BUCKETS.c.id).limit(PAGE)
    return list(session.execute(query if last is None else query.where(_BUCKETS.c.id > last)).scalars())


def _sizes(session: scoped_session[Session], bucket_ids: list[uuid.UUID]) -> list[BucketSize]:
    """By bucket, in one statement, so that the total and what it is made of are of the same moment."""
    versions = _counted(bucket_ids)
    multiparts = (
        sa.select(_MULTIPARTS.c.bucket_id, sa.func.sum(_MULTIPARTS.c.size).label("size"))
        .where(_MULTIPARTS.c.bucket_id.in_(bucket_ids))
        .group_by(_MULTIPARTS.c.bucket_id)
        .subquery()
    )
    total = sa.func.coalesce(versions.c.size, 0) + sa.func.coalesce(multiparts.c.size, 0)
    query = (
        sa.select(_BUCKETS.c.id, _BUCKETS.c.size, total)
        .outerjoin(versions, versions.c.bucket_id == _BUCKETS.c.id)
        .outerjoin(multiparts, multiparts.c.bucket_id == _BUCKETS.c.id)
        .where(_BUCKETS.c.id.in_(bucket_ids))
        .order_by(_BUCKETS.c.id)
    )
    return [BucketSize(bucket_id, size, int(made)) for bucket_id, size, made in session.execute(query)]


def _counted(bucket_ids: list[uuid.UUID]) -> sa.Subquery:
    """Sum of the sizes of the versions that count, by bucket."""
    # Whose turn as head came when: that of an upload at completion, whether it was shown as head before or not. One
    # that is pending beside a readable version has not had it.
    completed = _UPLOADS.c.state == State.COMPLETED
    moment = sa.case((completed, _UPLOADS.c.updated), else_=_VERSIONS.c.created)
    waiting = sa.case((sa.and_(_UPLOADS.c.took_head.is_(False), ~completed), 1), else_=0)
    is_marker = sa.case((_VERSIONS.c.file_id.is_(None), 1), else_=0)
    slot = (_VERSIONS.c.bucket_id, _VERSIONS.c.key, waiting)
    turns = (
        sa.select(
            _VERSIONS.c.bucket_id,
            _VERSIONS.c.file_id,
            _VERSIONS.c.is_head,
            sa.func.lead(is_marker, 1, 0).over(partition_by=slot, order_by=moment).label("deleted"),
        )
        .outerjoin(
            _UPLOADS,
            # The bucket is in here for its index.
            sa.and_(_UPLOADS.c.bucket_id == _VERSIONS.c.bucket_id, _UPLOADS.c.version_id == _VERSIONS.c.version_id),
        )
        .where(_VERSIONS.c.bucket_id.in_(bucket_ids))
        .subquery()
    )
    return (
        sa.select(turns.c.bucket_id, sa.func.sum(_FILES.c.size).label("size"))
        .join(_FILES, _FILES.c.id == turns.c.file_id)
        .where(sa.or_(turns.c.is_head, turns.c.deleted == 0))
        .group_by(turns.c.bucket_id)
        .subquery()
    )

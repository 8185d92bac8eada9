# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Take pending files back, one or many at a time, as if they never were."""

import uuid
from collections import Counter
from collections.abc import Collection, Sequence

import sqlalchemy as sa
from invenio_files_rest.models import Bucket, FileInstance, ObjectVersion, ObjectVersionTag
from sqlalchemy.orm import Session, scoped_session

from . import files
from .models import Upload

_VERSIONS, _FILES, _BUCKETS = ObjectVersion.__table__, FileInstance.__table__, Bucket.__table__


def release(session: scoped_session[Session], uploads: Sequence[Upload]) -> None:
    """Remove the pending files, give their sizes back, and put the previous heads back.

    Copies that other buckets took of a pending version (a snapshot) go as well: there is nothing behind them. A file
    that is readable and has a checksum got its content by other means; it is not pending, so not ours to remove. One
    without a checksum is what the stock transfer of invenio-records-resources has called readable before its time.

    The buckets of the uploads have to be locked. The number of statements does not depend on that of the uploads.
    """
    by_file = {upload.file_id: upload for upload in uploads}
    filled = sa.select(_FILES.c.id).where(_FILES.c.id.in_(by_file), _FILES.c.readable, _FILES.c.checksum.is_not(None))
    for file_id in session.execute(filled).scalars():
        del by_file[file_id]
    doomed = _versions_of(session, by_file)
    elsewhere = {version.bucket_id for version in doomed} - {upload.bucket_id for upload in uploads}
    if elsewhere:
        files.lock_buckets(session, elsewhere)
    if doomed:
        _remove(session, doomed, by_file)
    session.execute(sa.delete(_FILES).where(_FILES.c.id.in_(by_file)))
    session.expire_all()  # what the session has read of these rows before is no longer so


def _versions_of(session: scoped_session[Session], file_ids: Collection[uuid.UUID]) -> Sequence[files.Neighbour]:
    columns = (_VERSIONS.c.version_id, _VERSIONS.c.bucket_id, _VERSIONS.c.key, _VERSIONS.c.file_id, _VERSIONS.c.is_head)
    return session.execute(sa.select(*columns).where(_VERSIONS.c.file_id.in_(file_ids))).all()


def _remove(
    session: scoped_session[Session], doomed: Sequence[files.Neighbour], by_file: dict[uuid.UUID, Upload]
) -> None:
    slots = files.neighbours(session, {(version.bucket_id, version.key) for version in doomed})
    ids = {version.version_id for version in doomed}
    sizes: Counter[uuid.UUID] = Counter()
    heads: list[uuid.UUID] = []
    for version in doomed:
        upload, versions = by_file[version.file_id], slots[version.bucket_id, version.key]
        own = version.version_id == upload.version_id
        if not ((not own or upload.took_head) and files.deleted_as_head(versions, version.version_id)):
            sizes[version.bucket_id] += upload.size
        if version.is_head:
            heads += _next_head([row.version_id for row in versions if row.version_id not in ids], upload, own)
    session.execute(sa.delete(ObjectVersionTag).where(ObjectVersionTag.version_id.in_(ids)))
    session.execute(sa.delete(_VERSIONS).where(_VERSIONS.c.version_id.in_(ids)))
    for bucket_id, size in sizes.items():
        session.execute(sa.update(_BUCKETS).where(_BUCKETS.c.id == bucket_id).values(size=_BUCKETS.c.size - size))
    if heads:
        session.execute(sa.update(_VERSIONS).where(_VERSIONS.c.version_id.in_(heads)).values(is_head=True))


def _next_head(others: Sequence[uuid.UUID], upload: Upload, own: bool) -> list[uuid.UUID]:
    """The version that was head before, or else the newest one; none where there was none."""
    before = upload.previous_head_id
    if own and before is None:
        return []
    return [before] if own and before is not None and before in others else list(others[-1:])

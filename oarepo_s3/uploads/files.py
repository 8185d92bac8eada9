# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The pending file: an upload's half in Invenio's own tables.

Everything here works inside the caller's transaction, with the bucket locked by :func:`lock_bucket`.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from invenio_files_rest.models import Bucket, FileInstance, ObjectVersion
from sqlalchemy.orm import Session, scoped_session

from ..errors import BucketLocked, NotAnS3Location, QuotaExceeded
from .models import Upload


class Orphaned(Exception):  # noqa: N818 - no error: the caller cleans up
    """The pending file was deleted behind the upload's back."""


@dataclass(frozen=True, slots=True)
class PendingFile:
    """What :func:`reserve` has made."""

    version_id: uuid.UUID
    file_id: uuid.UUID
    uri: str
    took_head: bool
    previous_head_id: uuid.UUID | None


def lock_bucket(session: scoped_session[Session], bucket_id: uuid.UUID) -> Bucket | None:
    """Lock the row of the bucket until the end of the transaction and read it afresh; None if there is none."""
    return next(iter(lock_buckets(session, [bucket_id])), None)


def lock_buckets(session: scoped_session[Session], bucket_ids: Collection[uuid.UUID]) -> Sequence[Bucket]:
    """The same for many, always in the same order, so that two who lock several of them never wait for each other."""
    if session.get_bind().dialect.name == "sqlite":
        # FOR UPDATE does nothing there; a write takes the one lock that the database has.
        session.execute(sa.update(Bucket.__table__).where(Bucket.id.in_(bucket_ids)).values(size=Bucket.size))
    # NO KEY UPDATE: whoever has added a version shares the bucket's key, and would wait for us while we wait for them.
    query = sa.select(Bucket).where(Bucket.id.in_(bucket_ids)).order_by(Bucket.id).with_for_update(key_share=True)
    return session.execute(query.execution_options(populate_existing=True)).scalars().all()


def check_room(bucket: Bucket | None, size: int) -> None:
    """Check that the bucket takes another ``size`` bytes.

    :raises BucketLocked: the bucket is locked or deleted.
    :raises QuotaExceeded: the size is over the limit; details tell the reason and the limit in bytes.
    """
    if bucket is None or bucket.locked or bucket.deleted:
        raise BucketLocked("The files of this record cannot be changed.")
    limit = bucket.size_limit
    if limit is None:
        return
    limit_bytes = limit if isinstance(limit, int) else limit.limit
    if size > limit_bytes:
        reason = str(getattr(limit, "reason", "File size limit exceeded."))
        raise QuotaExceeded(reason, reason=reason, limit=limit_bytes, size=size)


def reserve(
    session: scoped_session[Session], bucket: Bucket, key: str, size: int, content_type: str | None
) -> PendingFile:
    """Make the pending file and reserve its size; the bucket has to be locked and checked.

    A readable version of the key stays head; without one the pending version is head.

    :raises NotAnS3Location: the bucket's location is no S3 location.
    """
    location = bucket.location.uri
    took_head, previous_head_id = _head_for_pending(session, bucket.id, key)
    file = FileInstance.create()
    uri = file.storage(default_location=location).fileurl
    if not uri.startswith("s3://"):
        raise NotAnS3Location("The files of this record are not kept in an S3 store.")
    file.set_uri(uri, size, None, readable=False, writable=True, storage_class=bucket.default_storage_class)
    version = ObjectVersion(
        version_id=uuid.uuid4(), bucket_id=bucket.id, key=key, file_id=file.id, mimetype=content_type, is_head=took_head
    )
    session.add(version)
    bucket.size += size
    session.flush()
    return PendingFile(version.version_id, file.id, uri, took_head, previous_head_id)


def show_pending(session: scoped_session[Session], version: ObjectVersion) -> tuple[bool, uuid.UUID | None]:
    """Give the head of the key back to the readable version that Invenio has just taken it from, if there is one.

    :returns: whether the pending version is head, and the delete marker that it took the place of.
    """
    before = (
        sa.select(ObjectVersion, FileInstance.readable)
        .outerjoin(FileInstance, FileInstance.id == ObjectVersion.file_id)
        .where(ObjectVersion.bucket_id == version.bucket_id, ObjectVersion.key == version.key)
        .where(ObjectVersion.version_id != version.version_id)
        .order_by(ObjectVersion.created.desc())
        .limit(1)
    )
    row = session.execute(before).first()
    if row is None or not row.readable:
        return True, None if row is None else row.ObjectVersion.version_id
    version.is_head = False
    session.flush()  # one head a key is a unique index on PostgreSQL: the new one has to go first
    row.ObjectVersion.is_head = True
    return False, None


def _head_for_pending(
    session: scoped_session[Session], bucket_id: uuid.UUID, key: str
) -> tuple[bool, uuid.UUID | None]:
    """Take the head from a version that is not readable, such as a delete marker; results as of show_pending."""
    heads = (
        sa.select(ObjectVersion, FileInstance.readable)
        .outerjoin(FileInstance, FileInstance.id == ObjectVersion.file_id)
        .where(ObjectVersion.bucket_id == bucket_id, ObjectVersion.key == key, ObjectVersion.is_head.is_(True))
    )
    row = session.execute(heads).first()
    if row is None or row.readable:
        return row is None, None
    row.ObjectVersion.is_head = False
    session.flush()  # one head a key is a unique index on PostgreSQL: the old one has to go first
    return True, row.ObjectVersion.version_id


def publish(session: scoped_session[Session], upload: Upload, checksum: str | None) -> None:
    """Make the file readable and its version the head.

    :raises Orphaned: the pending file is no longer there, or the key was deleted meanwhile.
    """
    version = session.get(ObjectVersion, upload.version_id, populate_existing=True)
    file = session.get(FileInstance, upload.file_id, populate_existing=True)
    if version is None or file is None or (upload.took_head and _was_deleted(session, version)):
        raise Orphaned(f"the file of upload {upload.id} was deleted")
    if not version.is_head:
        session.execute(
            sa.update(ObjectVersion)
            .where(ObjectVersion.bucket_id == version.bucket_id, ObjectVersion.key == version.key)
            .where(ObjectVersion.is_head.is_(True))
            .values(is_head=False)
        )
        version.is_head = True
        version.created = datetime.now(UTC)  # by it alone all others tell which version came last
    file.set_uri(file.uri, upload.size, checksum, readable=True, writable=False, storage_class=file.storage_class)
    session.flush()


def _was_deleted(session: scoped_session[Session], version: ObjectVersion) -> bool:
    """Whether the key was deleted by Invenio's own call while this version was its head."""
    versions = neighbours(session, [(version.bucket_id, version.key)])[version.bucket_id, version.key]
    return deleted_as_head(versions, version.version_id)


Neighbour = sa.Row[tuple[uuid.UUID, uuid.UUID, str, uuid.UUID | None, bool]]
"""A version of a key: version_id, bucket_id, key, file_id, is_head."""


def neighbours(
    session: scoped_session[Session], slots: Collection[tuple[uuid.UUID, str]]
) -> dict[tuple[uuid.UUID, str], list[Neighbour]]:
    """All versions of these (bucket, key), oldest first."""
    table = ObjectVersion.__table__.c
    query = sa.select(table.version_id, table.bucket_id, table.key, table.file_id, table.is_head)
    found: dict[tuple[uuid.UUID, str], list[Neighbour]] = {slot: [] for slot in slots}
    for row in session.execute(query.where(sa.tuple_(table.bucket_id, table.key).in_(slots)).order_by(table.created)):
        found[row.bucket_id, row.key].append(row)
    return found


def deleted_as_head(versions: Sequence[Neighbour], version_id: uuid.UUID) -> bool:
    """Whether the key was deleted by Invenio's own call while this version was its head.

    That call writes a delete marker right after the version and gives its size back to the bucket.
    """
    place = next(place for place, row in enumerate(versions) if row.version_id == version_id)
    after = versions[place + 1 :]
    return not versions[place].is_head and bool(after) and after[0].file_id is None

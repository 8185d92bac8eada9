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


def take_room(bucket: Bucket | None, size: int) -> Bucket:
    """Add ``size`` bytes to the bucket, which has to be locked; raises as :func:`check_room`."""
    check_room(bucket, size)
    assert bucket is not None  # check_room refuses a bucket that is not there
    bucket.size += size
    return bucket


def reserve(
    session: scoped_session[Session], bucket: Bucket, contents: Sequence[tuple[str, int, str | None]]
) -> list[PendingFile]:
    """Make the pending files of some keys, for which there is room.

    A readable version of a key stays head; without one the pending version is head.

    :param contents: key, size in bytes and media type of each; no key twice.
    :raises NotAnS3Location: the bucket's location is no S3 location.
    """
    heads = _heads_for_pending(session, bucket.id, [key for key, _, _ in contents])
    location = bucket.location.uri  # read before there is anything to flush
    pending = [_reserve_one(session, bucket, location, content, *heads[content[0]]) for content in contents]
    session.flush()
    return pending


def _reserve_one(
    session: scoped_session[Session],
    bucket: Bucket,
    location: str,
    content: tuple[str, int, str | None],
    took_head: bool,
    previous_head_id: uuid.UUID | None,
) -> PendingFile:
    key, size, content_type = content
    file = FileInstance.create()
    uri = file.storage(default_location=location).fileurl
    if not uri.startswith("s3://"):
        raise NotAnS3Location("The files of this record are not kept in an S3 store.")
    file.set_uri(uri, size, None, readable=False, writable=True, storage_class=bucket.default_storage_class)
    version = ObjectVersion(
        version_id=uuid.uuid4(), bucket_id=bucket.id, key=key, file_id=file.id, mimetype=content_type, is_head=took_head
    )
    session.add(version)
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


def _heads_for_pending(
    session: scoped_session[Session], bucket_id: uuid.UUID, keys: Collection[str]
) -> dict[str, tuple[bool, uuid.UUID | None]]:
    """Take the heads from versions that are not readable, such as delete markers; by key, as of show_pending."""
    query = (
        sa.select(ObjectVersion, FileInstance.readable)
        .outerjoin(FileInstance, FileInstance.id == ObjectVersion.file_id)
        .where(ObjectVersion.bucket_id == bucket_id, ObjectVersion.key.in_(keys), ObjectVersion.is_head.is_(True))
    )
    heads: dict[str, tuple[bool, uuid.UUID | None]] = dict.fromkeys(keys, (True, None))
    for version, readable in session.execute(query):
        heads[version.key] = (False, None) if readable else (True, version.version_id)
        version.is_head = bool(readable)
    session.flush()  # one head a key is a unique index on PostgreSQL: the old one has to go first
    return heads


Pending = tuple[ObjectVersion, FileInstance]
"""The version and the file that an upload is to bring."""


def pending_of(session: scoped_session[Session], uploads: Sequence[Upload]) -> dict[uuid.UUID, Pending]:
    """By id of the upload; without those whose file is gone, or whose key was deleted meanwhile."""
    fresh = {"populate_existing": True}
    versions = sa.select(ObjectVersion).where(ObjectVersion.version_id.in_([upload.version_id for upload in uploads]))
    files = sa.select(FileInstance).where(FileInstance.id.in_([upload.file_id for upload in uploads]))
    by_version = {row.version_id: row for row in session.execute(versions.execution_options(**fresh)).scalars()}
    by_file = {row.id: row for row in session.execute(files.execution_options(**fresh)).scalars()}
    found = {
        upload.id: (by_version[upload.version_id], by_file[upload.file_id])
        for upload in uploads
        if upload.version_id in by_version and upload.file_id in by_file
    }
    shown = [
        version for version, _ in (found[upload.id] for upload in uploads if upload.took_head and upload.id in found)
    ]
    slots = neighbours(session, {(version.bucket_id, version.key) for version in shown}) if shown else {}
    deleted = {
        version.version_id
        for version in shown
        if deleted_as_head(slots[version.bucket_id, version.key], version.version_id)
    }
    return {upload_id: pair for upload_id, pair in found.items() if pair[0].version_id not in deleted}


def make_readable(session: scoped_session[Session], pending: Sequence[tuple[Pending, int, str | None]]) -> None:
    """Make files readable and their versions the heads.

    :param pending: version and file, size in bytes, checksum.
    """
    new_heads = [version for (version, _), _, _ in pending if not version.is_head]
    if new_heads:
        of_key = [
            (ObjectVersion.bucket_id == version.bucket_id) & (ObjectVersion.key == version.key) for version in new_heads
        ]
        old_heads = sa.update(ObjectVersion).where(sa.or_(*of_key), ObjectVersion.is_head.is_(True))
        session.execute(old_heads.values(is_head=False))
    for version in new_heads:
        version.is_head = True
        version.created = datetime.now(UTC)  # by it alone all others tell which version came last
    for (_, file), size, checksum in pending:
        file.set_uri(file.uri, size, checksum, readable=True, writable=False, storage_class=file.storage_class)
    session.flush()


def publish(session: scoped_session[Session], upload: Upload, checksum: str | None) -> None:
    """The same for one upload.

    :raises Orphaned: the pending file is no longer there, or the key was deleted meanwhile.
    """
    pending = pending_of(session, [upload]).get(upload.id)
    if pending is None:
        raise Orphaned(f"the file of upload {upload.id} was deleted")
    make_readable(session, [(pending, upload.size, checksum)])


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

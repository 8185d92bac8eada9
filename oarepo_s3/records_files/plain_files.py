# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Files that go through the application: the parent storage's own work, with our quota and our ``_files``."""

import logging
import uuid
from dataclasses import dataclass
from typing import Any, BinaryIO

import sqlalchemy as sa
from invenio_db import db
from invenio_files_rest.errors import FileSizeError, UnexpectedFileSizeError
from invenio_files_rest.models import Bucket, FileInstance, ObjectVersion
from sqlalchemy.orm import Session, contains_eager, scoped_session
from werkzeug.exceptions import HTTPException

from ..errors import BadRequest, BucketLocked, OARepoS3Error, QuotaExceeded, StoreError, UploadExists
from ..uploads import files, sessions
from ..uploads.models import slot_of
from .entries import drop_entry, locked_records, put_entry, save
from .owner import entry_of_version

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file goes: the key in a bucket, and the class of the record that the bucket belongs to."""

    bucket_id: uuid.UUID
    key: str
    record_class: str | None


class _Incoming:
    """A body whose end is the client's affair: losing it is no failure of the store."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except OSError as error:
            raise BadRequest("The body broke off.") from error


def readable_head(bucket_id: uuid.UUID, key: str) -> ObjectVersion | None:
    """The version that readers get, or None."""
    if "\0" in key:  # no database has it, and PostgreSQL does not even take the question
        return None
    query = (
        sa.select(ObjectVersion)
        .join(ObjectVersion.file)
        .options(contains_eager(ObjectVersion.file))
        .where(ObjectVersion.bucket_id == bucket_id, ObjectVersion.key == key)
        .where(ObjectVersion.is_head.is_(True), FileInstance.readable.is_(True))
    )
    version: ObjectVersion | None = db.session.execute(query).scalars().first()
    return version


def heads(bucket_id: uuid.UUID) -> list[ObjectVersion]:
    """The head of each key that is not deleted, by key, with its file loaded."""
    query = (
        sa.select(ObjectVersion)
        .join(ObjectVersion.file)
        .options(contains_eager(ObjectVersion.file))
        .where(ObjectVersion.bucket_id == bucket_id, ObjectVersion.is_head.is_(True))
        .order_by(ObjectVersion.key)
    )
    return list(db.session.execute(query).scalars())


def check_unlocked(bucket_id: uuid.UUID) -> None:
    """Check that files of the bucket may be changed.

    :raises BucketLocked: they may not.
    """
    bucket = db.session.get(Bucket, bucket_id)
    if bucket is None or bucket.locked or bucket.deleted:
        raise BucketLocked("The files of this record cannot be changed.")


def store_stream(place: Place, stream: BinaryIO, size: int | None, metadata: dict[str, Any]) -> ObjectVersion:
    """Send a stream to the store and make it the new version of the key.

    No transaction is held meanwhile; quota and pending uploads are looked at before, and once more after.

    :param size: bytes of the stream, or None if they are not known before.
    :raises BucketLocked: the bucket takes no files.
    :raises UploadExists: an upload of the key is pending.
    :raises QuotaExceeded: the stream does not fit.
    :raises BadRequest: the stream has another size than was said.
    :raises StoreError: the store did not take it.
    """
    file = FileInstance(id=uuid.uuid4(), size=0, readable=False, writable=True)
    _save(file, stream, size, **_options(place, size))
    try:
        return _publish(place, file, metadata)
    except BaseException:
        file.storage().delete()
        raise


def delete_head(place: Place) -> ObjectVersion | None:
    """Delete the readable version of the key, as Invenio does: a delete marker takes its place.

    :returns: the version that was deleted, or None if there was none.
    :raises BucketLocked: files of the bucket may not be changed.
    """
    with sessions.transaction() as session:
        bucket = files.lock_bucket(session, place.bucket_id)
        if bucket is None or bucket.locked or bucket.deleted:
            raise BucketLocked("The files of this record cannot be changed.")
        version = readable_head(place.bucket_id, place.key)
        if version is None:
            return None
        ObjectVersion.delete(bucket, place.key)
        for record in locked_records(session, place.bucket_id, place.record_class):
            drop_entry(record, place.key)
            save(record)
        return version


def _options(place: Place, size: int | None) -> dict[str, Any]:
    """What the storage has to know, read in a transaction that ends here."""
    with sessions.transaction() as session:
        bucket = session.get(Bucket, place.bucket_id)
        _check_free(session, place)
        files.check_room(bucket, size or 0)
        assert bucket is not None  # check_room refuses a bucket that is not there
        return {
            "size_limit": bucket.size_limit,
            "default_location": bucket.location.uri,
            "default_storage_class": bucket.default_storage_class,
        }


def _save(file: FileInstance, stream: BinaryIO, size: int | None, **options: Any) -> None:
    try:
        file.set_contents(_Incoming(stream), size=size, **options)
    except FileSizeError as error:
        reason = str(error.description)
        raise QuotaExceeded(reason, reason=reason) from error
    except UnexpectedFileSizeError as error:
        raise BadRequest(str(error.description)) from error
    except (HTTPException, OARepoS3Error):
        raise
    except Exception as error:  # which ones there are is the storage's affair; what they say may quote the store
        logger.exception("the storage did not take a file")
        raise StoreError("The store did not take the file.") from error


def _publish(place: Place, file: FileInstance, metadata: dict[str, Any]) -> ObjectVersion:
    with sessions.transaction() as session:
        bucket = files.lock_bucket(session, place.bucket_id)
        _check_free(session, place)
        files.check_room(bucket, file.size)
        session.add(file)
        version = ObjectVersion.create(bucket, place.key, _file_id=file)
        session.flush()
        for record in locked_records(session, place.bucket_id, place.record_class):
            put_entry(record, entry_of_version(version, metadata))
            save(record)
        return version


def _check_free(session: scoped_session[Session], place: Place) -> None:
    pending = sessions.get_active(session, slot_of(place.bucket_id, place.key))
    if pending is not None:
        raise UploadExists(
            "An upload of this file is pending; complete or abort it first.",
            size=pending.size,
            expires_at=pending.expires_at.isoformat(),
        )

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What becomes of the record when an upload of one of its files is opened or ends."""

import uuid
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from invenio_db import db
from invenio_files_rest.models import FileInstance, ObjectVersion
from sqlalchemy.orm import Session, scoped_session

from ..uploads.models import Upload
from .entries import (
    drop_entry,
    entry_of,
    find_entry,
    locked_records,
    locked_records_in,
    metadata_of,
    put_entry,
    record_of,
    save,
)


class RecordsFilesOwner:
    """Owner adapter for records of invenio-records-files: keeps their ``_files`` exact.

    ``owner_data`` of an upload may hold ``metadata``, the depositor's own fields of the file; ``record_class``, an
    import path; ``first_file``, whether the record had no ``_files`` at all before. An upload that was opened by
    ``record.files[key] = MultipartUpload(...)`` holds none of them: its entry is the caller's work, and is only brought
    up to date.

    Where invenio-records-files is not installed, there is nothing to do.
    """

    def __init__(self) -> None:
        """Look once whether invenio-records-files is installed."""
        self._installed = find_spec("invenio_records_files") is not None

    def opened(self, session: scoped_session[Session], upload: Upload) -> None:
        """List the pending file where the key has no readable version."""
        if not upload.took_head:
            return
        for record in self._locked(session, upload):
            put_entry(record, entry_of_upload(upload, None, metadata_of_upload(upload, record)))
            save(record)

    def completed(self, session: scoped_session[Session], upload: Upload) -> None:
        """List the file in place of the previous version, or at the end."""
        for record in self._locked(session, upload):
            file = session.get(FileInstance, upload.file_id)
            checksum = None if file is None else file.checksum
            put_entry(record, entry_of_upload(upload, checksum, metadata_of_upload(upload, record)))
            save(record)

    def released(self, session: scoped_session[Session], uploads: Sequence[Upload]) -> None:
        """Take the pending files off the lists; the entry of a previous version stays as it is."""
        if not self._installed:
            return
        by_class: dict[str | None, dict[uuid.UUID, list[Upload]]] = {}
        for upload in uploads:
            in_class = by_class.setdefault(upload.owner_data.get("record_class"), {})
            in_class.setdefault(upload.bucket_id, []).append(upload)
        for record_class, by_bucket in by_class.items():
            for bucket_id, record in locked_records_in(session, by_bucket, record_class):
                if [upload for upload in by_bucket[bucket_id] if _take_off(record, upload)]:
                    save(record)

    def subject(self, upload: Upload) -> tuple[Any, Any] | None:
        """(``FileObject`` or None if it is gone, record), or None if there is no such record."""
        if not self._installed:
            return None
        record = record_of(db.session, upload.bucket_id, upload.owner_data.get("record_class"))
        if record is None:
            return None
        version = db.session.get(ObjectVersion, upload.version_id)
        if version is None:
            return None, record
        return record.file_cls(version, find_entry(record, upload.key) or {}), record

    def _locked(self, session: scoped_session[Session], upload: Upload) -> Any:
        if not self._installed:
            return ()
        return locked_records(session, upload.bucket_id, upload.owner_data.get("record_class"))


def _take_off(record: Any, upload: Upload) -> bool:
    """Take a pending file off the list of its record; whether it was on it."""
    entry = find_entry(record, upload.key)
    if entry is None or entry.get("version_id") != str(upload.version_id):
        return False
    head = ObjectVersion.get(upload.bucket_id, upload.key)
    if head is None:
        drop_entry(record, upload.key, drop_empty_list=upload.owner_data.get("first_file", False))
    else:  # the key had a version that is not readable, such as one that somebody else is still writing
        put_entry(record, entry_of_version(head, {}))
    return True


def metadata_of_upload(upload: Upload, record: Any) -> dict[str, Any]:
    """The depositor's fields that came with the upload, or else those that the record has for the key."""
    given: dict[str, Any] | None = upload.owner_data.get("metadata")
    return given if given is not None else metadata_of(find_entry(record, upload.key))


def entry_of_version(version: ObjectVersion, metadata: dict[str, Any]) -> dict[str, Any]:
    """The entry of a version that has a file."""
    return entry_of(
        bucket_id=version.bucket_id,
        key=version.key,
        version_id=version.version_id,
        file_id=version.file_id,
        size=version.file.size,
        checksum=version.file.checksum,
        metadata=metadata,
    )


def entry_of_upload(upload: Upload, checksum: str | None, metadata: dict[str, Any]) -> dict[str, Any]:
    """The entry of the file that an upload is to bring, or has brought."""
    return entry_of(
        bucket_id=upload.bucket_id,
        key=upload.key,
        version_id=upload.version_id,
        file_id=upload.file_id,
        size=upload.size,
        checksum=checksum,
        metadata=metadata,
    )

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What becomes of the record when an upload of one of its files is opened or ends."""

import uuid
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import sqlalchemy as sa
from invenio_db import db
from invenio_files_rest.models import FileInstance, ObjectVersion
from sqlalchemy.orm import Session, scoped_session

from ..uploads.models import Upload
from .entries import (
    drop_entry,
    entry_of,
    find_entry,
    locked_records_in,
    metadata_of,
    put_entries,
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

    def opened(self, session: scoped_session[Session], uploads: Sequence[Upload]) -> None:
        """List the pending files where their keys have no readable version."""
        shown = [upload for upload in uploads if upload.took_head]
        for record, group in self._locked(session, shown):
            put_entries(record, [entry_of_upload(one, None, metadata_of_upload(one, record)) for one in group])
            save(record)

    def completed(self, session: scoped_session[Session], uploads: Sequence[Upload]) -> None:
        """List the files in place of the previous versions, or at the end."""
        locked = self._locked(session, uploads)
        checksums = checksums_of(session, uploads) if locked else {}
        for record, group in locked:
            entries = [
                entry_of_upload(one, checksums.get(one.file_id), metadata_of_upload(one, record)) for one in group
            ]
            put_entries(record, entries)
            save(record)

    def releasing(self, session: scoped_session[Session], uploads: Sequence[Upload]) -> None:
        """Nothing in the record's metadata keeps the versions from going."""

    def released(self, session: scoped_session[Session], uploads: Sequence[Upload]) -> None:
        """Take the pending files off the lists; the entry of a previous version stays as it is."""
        for record, group in self._locked(session, uploads):
            if [upload for upload in group if _take_off(record, upload)]:
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

    def catch_up(self, upload: Upload) -> None:
        """Nothing is ever owed."""

    def _locked(self, session: scoped_session[Session], uploads: Sequence[Upload]) -> list[tuple[Any, list[Upload]]]:
        """The records of the uploads, locked, each with its uploads."""
        if not self._installed:
            return []
        by_class: dict[str | None, dict[uuid.UUID, list[Upload]]] = {}
        for upload in uploads:
            in_class = by_class.setdefault(upload.owner_data.get("record_class"), {})
            in_class.setdefault(upload.bucket_id, []).append(upload)
        return [
            (record, by_bucket[bucket_id])
            for record_class, by_bucket in by_class.items()
            for bucket_id, record in locked_records_in(session, by_bucket, record_class)
        ]


def checksums_of(session: scoped_session[Session], uploads: Sequence[Upload]) -> dict[uuid.UUID, str | None]:
    """The checksums of the files by their ids, without those that are gone."""
    ids = [upload.file_id for upload in uploads]
    found = session.execute(sa.select(FileInstance.id, FileInstance.checksum).where(FileInstance.id.in_(ids)))
    return {file_id: checksum for file_id, checksum in found}  # noqa: C416 - a result has keys(), those of columns


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

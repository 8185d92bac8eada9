# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What becomes of a file record when its upload ends."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session, scoped_session

from ..reading_back import request_md5
from ..uploads.files import Orphaned
from ..uploads.models import Upload
from .file_rows import drop_rows, lock_row

OWNER = "records_resources"
"""Name of this adapter, as its entry point has it."""

DEFAULT_FIELD = "files"


class RecordsResourcesOwner:
    """Owner adapter for file records of invenio-records-resources.

    ``owner_data`` of an upload holds ``service``, the id of the file service; ``record``, the record's PID; ``field``,
    the record's field of files; ``table``, that of the file records. An upload that the stock transfer has opened
    through the storage holds none of them: its file record is looked for in all tables.
    """

    def opened(self, session: scoped_session[Session], uploads: Sequence[Upload]) -> None:
        """The transfer itself makes the file record, in the same transaction."""

    def completed(self, session: scoped_session[Session], uploads: Sequence[Upload]) -> None:
        """Let the files be local ones from here on.

        :raises Orphaned: a file record was deleted meanwhile.
        """
        for upload in uploads:
            self._completed(session, upload)

    def _completed(self, session: scoped_session[Session], upload: Upload) -> None:
        row = lock_row(session, upload.owner_data.get("table"), upload.version_id)
        if row is not None and not row.is_deleted:
            row.data = {**row.data, "transfer": {"type": "L"}}
            session.flush()
        elif upload.owner == OWNER:
            raise Orphaned(f"the file record of upload {upload.id} was deleted")

    def releasing(self, session: scoped_session[Session], uploads: Sequence[Upload]) -> None:
        """Delete the file records for good, soft-deleted ones too, as they refer to the versions that go."""
        by_place: dict[tuple[str | None, str], list[Upload]] = {}
        for upload in uploads:
            place = (upload.owner_data.get("table"), upload.owner_data.get("field", DEFAULT_FIELD))
            by_place.setdefault(place, []).append(upload)
        for (table, field), group in by_place.items():
            drop_rows(session, table, [upload.version_id for upload in group], [field])

    def released(self, session: scoped_session[Session], uploads: Sequence[Upload]) -> None:
        """All is done before the files go."""

    def subject(self, upload: Upload) -> tuple[Any, Any] | None:
        """(file record or None if it is gone, record), or None if there is no such record."""
        if upload.owner != OWNER:
            return None
        from invenio_pidstore.errors import PersistentIdentifierError
        from invenio_records_resources.proxies import current_service_registry

        service = current_service_registry.get(upload.owner_data["service"])
        try:
            record = service.record_cls.pid.resolve(upload.owner_data["record"], registered_only=False)
        except (NoResultFound, PersistentIdentifierError):
            return None
        return record.files.get(upload.key), record

    def catch_up(self, upload: Upload) -> None:
        """Send the tasks that no broker took when the file was committed."""
        from invenio_records_resources.tasks import extract_file_metadata

        if upload.owner == OWNER:
            extract_file_metadata.delay(upload.owner_data["service"], upload.owner_data["record"], upload.key)
            request_md5(upload.file_id)

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A file record that is deleted takes its pending upload with it.

Invenio deletes file records one by one, softly or for good, and all of a draft in one statement; not all of these ways
pass by the transfer. So these listen to the database session. Nothing is done for files that are not pending.
"""

from importlib.util import find_spec
from typing import Any

import sqlalchemy as sa
from flask import Flask, current_app
from invenio_db import db
from invenio_files_rest.models import ObjectVersion
from sqlalchemy.orm import Query

from ..errors import UploadBusy
from ..proxies import current_uploads

_PENDING = "M"


def finalize_app(app: Flask) -> None:
    """Listen in every application that has file records, such as that of a Celery worker.

    For the entry points ``invenio_base.finalize_app`` and ``invenio_base.api_finalize_app``.
    """
    if find_spec("invenio_records_resources") is not None:
        connect()


def connect() -> None:
    """Let uploads end with their file records; once or more often, it makes no difference."""
    from invenio_records_resources.records import FileRecordModelMixin

    if not sa.event.contains(Query, "before_compile_delete", _before_many):
        sa.event.listen(Query, "before_compile_delete", _before_many)
        sa.event.listen(FileRecordModelMixin, "before_delete", _before_delete, propagate=True)
        sa.event.listen(FileRecordModelMixin, "before_update", _before_update, propagate=True)


def _before_delete(mapper: Any, connection: sa.Connection, row: Any) -> None:
    _end_upload(row, row.json)


def _before_update(mapper: Any, connection: sa.Connection, row: Any) -> None:
    """A soft deletion takes the metadata away."""
    if row.json is None:
        before = sa.inspect(row).attrs.json.history.deleted
        _end_upload(row, before[0] if before else None)


def _end_upload(row: Any, json: Any) -> None:
    if not _is_pending(json) or row.object_version_id is None or "oarepo-s3" not in current_app.extensions:
        return
    file_ids = sa.select(ObjectVersion.file_id).where(ObjectVersion.version_id == row.object_version_id)
    if not current_uploads.abort_with_files(file_ids) and _was_completed(row):
        raise UploadBusy("The upload of this file has just been completed.", retry_after=1)


def _is_pending(json: Any) -> bool:
    return bool(json) and (json.get("transfer") or {}).get("type") == _PENDING


def _was_completed(row: Any) -> bool:
    """Whether the file has become readable since the row was read."""
    table = type(row).__table__
    current = db.session.execute(sa.select(table.c.json).where(table.c.id == row.id)).scalar()
    return not _is_pending(current)


def _before_many(query: Query[Any], context: Any) -> None:
    from invenio_records_resources.records import FileRecordModelMixin

    model = query.column_descriptions[0]["entity"]
    if isinstance(model, type) and issubclass(model, FileRecordModelMixin) and "oarepo-s3" in current_app.extensions:
        file_ids = (
            sa.select(ObjectVersion.file_id)
            .join(model, model.object_version_id == ObjectVersion.version_id)
            .where(query.whereclause if query.whereclause is not None else sa.true())
        )
        current_uploads.abort_with_files(file_ids)

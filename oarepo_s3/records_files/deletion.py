# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A record that goes away takes its pending uploads with it."""

import uuid
from importlib.util import find_spec
from typing import Any

import sqlalchemy as sa
from flask import Flask, current_app
from invenio_db import db

from ..proxies import current_uploads
from ..uploads import files


def connect() -> None:
    """Let pending uploads expire with their record; once or more often, it makes no difference."""
    from invenio_records.signals import after_record_delete, before_record_delete

    before_record_delete.connect(lock_record)
    after_record_delete.connect(expire_uploads)


def lock_record(sender: Any, record: Any, **_: Any) -> None:
    """Lock a record that is being deleted, its buckets first, and read its row afresh.

    All that ends an upload locks in this order; in the other one a deletion and a completion would wait for each other.
    The row may have changed since the record was read, by a completion: to Invenio that is an error.
    """
    if "oarepo-s3" not in current_app.extensions or not (buckets := _buckets(record)):
        return
    files.lock_buckets(db.session, buckets)
    row = sa.inspect(record.model)
    if row.persistent and not row.modified:
        db.session.refresh(record.model, with_for_update=True)


def finalize_app(app: Flask) -> None:
    """Do the same in an application that has none of our paths, such as that of a Celery worker.

    For the entry points ``invenio_base.finalize_app`` and ``invenio_base.api_finalize_app``.
    """
    if find_spec("invenio_records_files") is not None:
        connect()


def expire_uploads(sender: Any, record: Any, **_: Any) -> None:
    """Let the uploads of a record that is being deleted expire, in the transaction that deletes it."""
    if "oarepo-s3" not in current_app.extensions:
        return
    for bucket_id in _buckets(record):
        current_uploads.expire_bucket(db.session, bucket_id)


def _buckets(record: Any) -> list[uuid.UUID]:
    from invenio_records_files.models import RecordsBuckets

    links = sa.select(RecordsBuckets.bucket_id)
    linked = list(db.session.execute(links.where(RecordsBuckets.record_id == record.id)).scalars())
    if linked:
        return linked
    try:
        named = uuid.UUID(str(record.get("_bucket")))
    except ValueError:
        return []
    # A record that is deleted for good has lost its link before. Its metadata may name any bucket: not one in use.
    in_use = db.session.execute(links.where(RecordsBuckets.bucket_id == named)).first()
    return [] if in_use else [named]

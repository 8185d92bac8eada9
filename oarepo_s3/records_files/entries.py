# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The ``_files`` list of a record, kept exact one entry at a time.

``FilesIterator.flush`` of invenio-records-files writes the same entries, but loads every file of the record to do so.
"""

import logging
import uuid
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from invenio_base.utils import obj_or_import_string
from sqlalchemy.orm import Session, scoped_session

logger = logging.getLogger(__name__)

FACTS = ("bucket", "checksum", "file_id", "key", "size", "version_id")
"""What an entry says of the file; anything else in it is metadata of the depositor."""


def entry_of(
    *,
    bucket_id: uuid.UUID,
    key: str,
    version_id: uuid.UUID,
    file_id: uuid.UUID,
    size: int,
    checksum: str | None,
    metadata: Mapping[str, Any],
) -> dict[str, Any]:
    """An entry, as ``FileObject.dumps`` of invenio-records-files makes it."""
    return {
        **metadata,
        "bucket": str(bucket_id),
        "checksum": checksum,
        "file_id": str(file_id),
        "key": key,
        "size": size,
        "version_id": str(version_id),
    }


def metadata_of(entry: Mapping[str, Any] | None) -> dict[str, Any]:
    """What of an entry is metadata of the depositor."""
    return {name: value for name, value in (entry or {}).items() if name not in FACTS}


def find_entry(record: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    """The entry of the key, or None."""
    return next((entry for entry in record.get("_files") or () if entry.get("key") == key), None)


def put_entry(record: dict[str, Any], entry: dict[str, Any]) -> None:
    """Replace the entry of the same key where it stands, or append it."""
    put_entries(record, [entry])


def put_entries(record: dict[str, Any], entries: Sequence[dict[str, Any]]) -> None:
    """The same for many, with one look through the list."""
    listed = record.setdefault("_files", [])
    places = {present.get("key"): position for position, present in reversed(list(enumerate(listed)))}
    for entry in entries:
        position = places.setdefault(entry["key"], len(listed))
        listed[position : position + 1] = [entry]


def drop_entry(record: dict[str, Any], key: str, *, drop_empty_list: bool = False) -> None:
    """Remove the entry of the key, and the list as well if it is empty then and that is wanted."""
    entries = [entry for entry in record.get("_files") or () if entry.get("key") != key]
    record["_files"] = entries
    if drop_empty_list and not entries:
        del record["_files"]


def locked_records(session: scoped_session[Session], bucket_id: uuid.UUID, record_class: str | None) -> Sequence[Any]:
    """The records that the bucket belongs to, locked until the end of the transaction and read afresh.

    Deleted ones are left out. The bucket has to be locked before, so that all take their locks in the same order.

    :param record_class: import path, or None for the class of invenio-records-files.
    """
    return [record for _, record in locked_records_in(session, [bucket_id], record_class)]


def locked_records_in(
    session: scoped_session[Session], bucket_ids: Collection[uuid.UUID], record_class: str | None
) -> Sequence[tuple[uuid.UUID, Any]]:
    """The same for many buckets: (bucket's id, record)."""
    return _load(session, bucket_ids, record_class, lock=True)


def record_of(session: scoped_session[Session], bucket_id: uuid.UUID, record_class: str | None) -> Any | None:
    """The record that the bucket belongs to, or None; not locked."""
    return next((record for _, record in _load(session, [bucket_id], record_class, lock=False)), None)


def is_deleted(record: Any) -> bool:
    """Whether nothing but the id is left of the record."""
    return record.model is None or record.model.json is None


def save(record: Any) -> None:
    """Save the record in the current transaction, whether its metadata is valid yet or not.

    Signals and extensions run as with any other change of the record.
    """
    record.commit(validator=_anything_goes())


@cache
def _anything_goes() -> Any:
    """A JSON schema validator that knows no keyword, so that a draft that is not valid yet can be saved."""
    from jsonschema.validators import create

    return create(meta_schema={}, validators={})


def _load(
    session: scoped_session[Session], bucket_ids: Collection[uuid.UUID], record_class: str | None, *, lock: bool
) -> list[tuple[uuid.UUID, Any]]:
    from invenio_records_files.models import RecordsBuckets

    cls = _import_class(record_class)
    model_class = cls.model_cls
    query = (
        sa.select(RecordsBuckets.bucket_id, model_class)
        .join(model_class, model_class.id == RecordsBuckets.record_id)
        .where(RecordsBuckets.bucket_id.in_(bucket_ids))
        .order_by(model_class.id)
    )
    if lock:
        query = query.with_for_update(of=model_class).execution_options(populate_existing=True)
    loaded = [(bucket_id, cls(model.data, model=model)) for bucket_id, model in session.execute(query)]
    return [(bucket_id, record) for bucket_id, record in loaded if not is_deleted(record)]


def _import_class(record_class: str | None) -> Any:
    from invenio_records_files.api import Record

    if record_class is None:
        return Record
    try:
        return obj_or_import_string(record_class)
    except ImportError:  # the class may have moved since the upload was opened, and must not hold up a sweep
        logger.warning("the record class %s of an upload is gone, its bucket is kept by the default one", record_class)
        return Record

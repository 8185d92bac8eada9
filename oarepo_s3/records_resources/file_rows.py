# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The rows of file records in the database, whichever service they belong to."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import current_app
from invenio_db import db
from sqlalchemy.orm import Session, scoped_session

AnySession = Session | scoped_session[Session]


def file_models(table: str | None) -> Sequence[Any]:
    """The model of this table, or those of all file records; none where the application has no such records."""
    if "invenio-records-resources" not in current_app.extensions:
        return []
    from invenio_records_resources.records import FileRecordModelMixin

    models = [mapper.class_ for mapper in db.Model.registry.mappers]
    files = [model for model in models if issubclass(model, FileRecordModelMixin)]
    return [model for model in files if table in (None, model.__tablename__)]


def lock_row(session: AnySession, table: str | None, version_id: UUID) -> Any:
    """The row whose file is this version, locked and read afresh; None if there is none."""
    for model in file_models(table):
        query = sa.select(model).where(model.object_version_id == version_id).with_for_update(of=model)
        found = session.execute(query.execution_options(populate_existing=True)).scalar()
        if found is not None:
            return found
    return None


def drop_rows(session: AnySession, table: str | None, version_ids: Collection[UUID], fields: Collection[str]) -> None:
    """Delete the rows of these versions for good, and what their records say of them in these fields."""
    for model in file_models(table):
        columns = (model.id, model.record_id, model.key)
        query = sa.select(*columns).where(model.object_version_id.in_(version_ids)).with_for_update()
        rows = session.execute(query).all()
        if not rows:
            continue
        session.execute(sa.delete(model.__table__).where(model.__table__.c.id.in_([row.id for row in rows])))
        keys: dict[UUID, set[str]] = {}
        for row in rows:
            keys.setdefault(row.record_id, set()).add(row.key)
        _forget(session, model.__record_model_cls__, keys, fields)


def drop_deleted(session: AnySession, model: Any, record_id: UUID, key: str) -> bool:
    """Delete a soft-deleted row of a key for good; whether there was one."""
    table = model.__table__
    gone = (table.c.record_id == record_id) & (table.c.key == key) & model.is_deleted
    result: sa.CursorResult[Any] = session.execute(sa.delete(table).where(gone))  # type: ignore[assignment]
    return result.rowcount == 1


def _forget(session: AnySession, model: Any, keys: Mapping[UUID, set[str]], fields: Collection[str]) -> None:
    """Take the keys out of what the records say of previews and order."""
    query = sa.select(model).where(model.id.in_(keys)).order_by(model.id)
    for row in session.execute(query.execution_options(populate_existing=True)).scalars():
        data = row.data
        if data and [field for field in fields if _forget_in(data.get(field) or {}, keys[row.id])]:
            row.data = data
    session.flush()


def _forget_in(said: dict[str, Any], keys: set[str]) -> bool:
    order = said.get("order") or []
    if said.get("default_preview") not in keys and keys.isdisjoint(order):
        return False
    if said.get("default_preview") in keys:
        del said["default_preview"]
    if order:
        said["order"] = [key for key in order if key not in keys]
    return True

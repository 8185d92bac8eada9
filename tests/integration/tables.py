# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Tables for an application; a thousand tests need them, each in a database of its own."""

from collections.abc import Sequence
from pathlib import Path

from invenio_db import db
from sqlalchemy import Table

_SQLITE_FILES: dict[tuple[str, ...], bytes] = {}


def make_tables(tables: Sequence[Table]) -> None:
    """Create tables in the application's database. A new SQLite file is a copy of the first that had the same ones."""
    if db.engine.dialect.name != "sqlite" or (path := Path(db.engine.url.database or "/")).exists():
        db.metadata.create_all(db.engine, tables=tables)
        return
    names = tuple(table.name for table in tables)
    if names not in _SQLITE_FILES:
        db.metadata.create_all(db.engine, tables=tables)
        db.engine.dispose()
        _SQLITE_FILES[names] = path.read_bytes()
    else:
        path.write_bytes(_SQLITE_FILES[names])

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Prepares database and location, as an operator does by ``invenio db``, ``invenio alembic`` and ``invenio files``."""

import logging
from collections.abc import Iterator
from typing import Any

from flask import Flask
from invenio_db import db
from invenio_files_rest.models import Location
from sqlalchemy import event

from oarepo_s3.uploads.models import UploadEvent, UploadSession

from .settings import S3_BUCKET

BRANCH = "oarepo_s3"


def prepare(app: Flask) -> None:
    """Create the tables and the location of the files, in an empty database."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with app.app_context():
        event.listen(db.engine, "connect", _write_ahead)
        _create_tables(app.extensions["invenio-db"].alembic)
        db.session.add(Location(name="demo", uri=f"s3://{S3_BUCKET}", default=True))
        db.session.commit()


def _create_tables(alembic: Any) -> None:
    """Create our tables by their recipes, and the others without: Invenio's own recipes do not run on SQLite."""
    ours = (UploadSession.__table__, UploadEvent.__table__)
    db.metadata.create_all(db.engine, [table for table in db.metadata.sorted_tables if table not in ours])
    alembic.stamp(list(_needed_by(BRANCH, alembic.script_directory)))
    alembic.upgrade(f"{BRANCH}@head")


def _needed_by(branch: str, scripts: Any) -> Iterator[str]:
    """Revisions of other branches that a branch builds on."""
    for script in scripts.walk_revisions():
        if branch in script.branch_labels and script.dependencies:
            yield from [script.dependencies] if isinstance(script.dependencies, str) else script.dependencies


def _write_ahead(connection: Any, _record: Any) -> None:
    """Let others read while one writes; SQLite keeps this mode in the file."""
    connection.execute("PRAGMA journal_mode=WAL")

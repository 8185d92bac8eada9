# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The recipes make the tables that the models describe, and can be taken back."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.script import ScriptDirectory
from flask import Flask
from invenio_db import InvenioDB, db
from invenio_files_rest import InvenioFilesREST

from oarepo_s3.uploads.models import UploadEvent, UploadSession

TABLES = {UploadSession.__tablename__, UploadEvent.__tablename__}


@pytest.fixture
def migrated(database_url: str) -> Iterator[Any]:
    """An application with every recipe that is installed, run up to the newest."""
    app = Flask("test")
    app.config.update(SQLALCHEMY_DATABASE_URI=database_url, TESTING=True, DB_VERSIONING=False)
    extension = InvenioDB(app)
    InvenioFilesREST(app)
    with app.app_context():
        if database_url.startswith("postgresql"):
            extension.alembic.upgrade()
        else:  # others' recipes do not run on SQLite, not even the one of invenio-db that ours comes after
            extension.alembic.stamp("dbdbc1b19cf2")
            extension.alembic.upgrade("oarepo_s3@head")
        yield extension.alembic
        db.session.remove()
        db.engine.dispose()


def differences(alembic: Any) -> list[Any]:
    """What autogeneration would change in our tables."""

    def is_ours(element: Any, name: str | None, kind: str, *_: Any) -> bool:
        return name in TABLES if kind == "table" else True

    with db.engine.connect() as connection:
        context = alembic.migration_context.configure(
            connection,
            opts={
                "include_object": is_ours,
                "compare_type": db.engine.dialect.name == "postgresql",
                "target_metadata": db.metadata,
            },
        )
        return list(compare_metadata(context, db.metadata))


def tables() -> set[str]:
    return set(sa.inspect(db.engine).get_table_names()) & TABLES


def test_recipes_make_what_the_models_say(migrated: Any) -> None:
    assert tables() == TABLES
    assert differences(migrated) == []


def test_branch_can_be_taken_back_and_run_again(migrated: Any) -> None:
    migrated.downgrade("oarepo_s3@3f0c9a51b7de")
    assert tables() == set()
    others = set(sa.inspect(db.engine).get_table_names())
    assert ("files_bucket" in others) is (db.engine.dialect.name == "postgresql")
    assert differences(migrated) != []
    migrated.upgrade("oarepo_s3@head")
    assert tables() == TABLES
    assert differences(migrated) == []


def test_branch_has_one_head_and_one_root(migrated: Any) -> None:
    scripts: ScriptDirectory = migrated.script_directory
    ours = [script for script in scripts.walk_revisions() if "oarepo_s3" in script.branch_labels]
    assert [script.revision for script in ours if script.is_head] == [scripts.get_revision("oarepo_s3@head").revision]
    assert [script.revision for script in ours if script.down_revision is None] == ["3f0c9a51b7de"]
    assert all(script.doc for script in ours)


def test_rows_and_their_events_go_together(migrated: Any) -> None:
    constraint = sa.inspect(db.engine).get_foreign_keys(UploadEvent.__tablename__)
    assert [(key["referred_table"], key["options"].get("ondelete")) for key in constraint] == [
        (UploadSession.__tablename__, "CASCADE")
    ]
    assert sa.inspect(db.engine).get_foreign_keys(UploadSession.__tablename__) == []

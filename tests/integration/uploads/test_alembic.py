# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The recipes make the tables that the models describe, and can be taken back."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.script import ScriptDirectory
from flask import Flask
from invenio_db import InvenioDB, db
from invenio_files_rest import InvenioFilesREST
from sqlalchemy.exc import IntegrityError

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


def test_rows_and_events_stay_while_the_table_changes(migrated: Any) -> None:
    row = upload_row()
    for content_md5 in (None, "1B2M2Y8AsgTpgAmY7PhCfg=="):
        values = row | {"id": uuid.uuid4(), "public_id": str(content_md5), "content_md5": content_md5}
        values |= {"size": 0, "part_size": 0} if content_md5 else {}
        with db.engine.begin() as connection:
            connection.execute(sa.insert(UploadSession.__table__).values(values))
            event = {"upload_id": values["id"], "at": row["created"], "event": "created", "to_state": "open"}
            connection.execute(sa.insert(UploadEvent.__table__).values(event))
    with pytest.raises(IntegrityError), db.engine.begin() as connection:
        connection.execute(sa.insert(UploadSession.__table__).values(row | {"size": 0}))
    migrated.downgrade("oarepo_s3@a84d2e6c1f05")
    counts = [sa.text(f"SELECT count(*) FROM {table}") for table in sorted(TABLES)]
    with pytest.raises(IntegrityError), db.engine.begin() as connection:
        connection.execute(sa.text("UPDATE oarepo_s3_uploads SET size = 0"))
    with db.engine.begin() as connection:
        assert [connection.execute(count).scalar() for count in counts] == [kept_events(), 1]
    migrated.upgrade("oarepo_s3@head")
    assert differences(migrated) == []
    with db.engine.begin() as connection:
        assert [connection.execute(count).scalar() for count in counts] == [kept_events(), 1]
        (found,) = connection.execute(sa.select(UploadSession.__table__))
    assert (found.public_id, found.bucket_id, found.content_md5) == ("None", row["bucket_id"], None)


def kept_events() -> int:
    """SQLite does not look at foreign keys unless it is told to."""
    return 1 if db.engine.dialect.name == "postgresql" else 2


def upload_row() -> dict[str, Any]:
    """The columns that have to be there, in a row that could be."""
    now, one = datetime.now(UTC), uuid.uuid4()
    ids = dict.fromkeys(("id", "bucket_id", "version_id", "file_id"), one)
    texts = dict.fromkeys(("public_id", "state", "slot", "key", "s3_bucket", "s3_key", "content_type"), "x")
    times = dict.fromkeys(("created", "updated", "expires_at"), now)
    return {**ids, **texts, **times, "took_head": True, "size": 1, "part_size": 1, "parts_count": 1, "owner_data": {}}

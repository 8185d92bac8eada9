# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""All that changes a record and its bucket takes the locks in one order, or two of them would wait for each other."""

import pytest
import sqlalchemy as sa
from invenio_db import db
from invenio_files_rest.models import Bucket
from invenio_records.models import RecordMetadata
from invenio_records_files.api import Record

from oarepo_s3.records_files.deletion import lock_record
from tests.integration.records_app import Clock, records_world
from tests.servers.postgres import PostgresServer


def test_record_that_is_deleted_locks_its_bucket_before_itself(postgres: PostgresServer):
    with records_world(postgres.create_database(), Clock()) as world:
        bucket_id = world.add_record()
        record_id = world.record().id
        record = Record.get_record(record_id)
        locked: list[tuple[bool, bool]] = []

        def look(_: object, __: object, statement: str, *___: object) -> None:
            """As the record is about to be locked or changed, see what another request could lock."""
            changes = "FOR UPDATE" in statement or statement.startswith("UPDATE")
            if "records_metadata" in statement and changes and not locked:
                locked.append((is_locked(Bucket, bucket_id), is_locked(RecordMetadata, record_id)))

        sa.event.listen(db.engine, "before_cursor_execute", look)
        try:
            record.delete()
        finally:
            sa.event.remove(db.engine, "before_cursor_execute", look)
            db.session.rollback()
        assert locked == [(True, False)]


@pytest.mark.parametrize("force", [False, True])
def test_record_that_has_changed_since_it_was_read_can_be_deleted(postgres: PostgresServer, force: bool):
    """As when an upload completes between the two."""
    with records_world(postgres.create_database(), Clock()) as world:
        world.add_record()
        record = Record.get_record(world.record().id)
        with db.engine.begin() as connection:
            connection.execute(sa.update(RecordMetadata).values(version_id=RecordMetadata.version_id + 1))
        record.delete(force=force)
        db.session.commit()
        left = db.session.execute(sa.select(RecordMetadata.json)).scalars().all()
        assert left == ([] if force else [None])


def test_unsaved_change_of_the_row_is_not_lost_by_the_lock(postgres: PostgresServer):
    with records_world(postgres.create_database(), Clock()) as world:
        world.add_record()
        record = Record.get_record(world.record().id)
        record.model.json = {"title": "changed"}
        lock_record(None, record)
        assert record.model.json == {"title": "changed"}
        db.session.rollback()


def is_locked(model: type, row_id: object) -> bool:
    """Whether another transaction would have to wait for the row."""
    query = sa.select(model.id).where(model.id == row_id).with_for_update(skip_locked=True, key_share=True)
    with db.engine.connect() as connection:
        return connection.execute(query).first() is None

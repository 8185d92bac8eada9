# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""All that changes a record and its bucket takes the locks in one order, or two of them would wait for each other."""

import sqlalchemy as sa
from invenio_db import db
from invenio_files_rest.models import Bucket
from invenio_records.models import RecordMetadata
from invenio_records_files.api import Record

from tests.integration.records_app import Clock, records_world
from tests.servers.postgres import PostgresServer


def test_record_that_is_deleted_locks_its_bucket_before_itself(postgres: PostgresServer):
    with records_world(postgres.create_database(), Clock()) as world:
        bucket_id = world.add_record()
        record_id = world.record().id
        record = Record.get_record(record_id)
        locked: list[tuple[bool, bool]] = []

        def look(*_: object) -> None:
            """As the first change of the record is on its way, see what another request could lock."""
            if not locked:
                locked.append((is_locked(Bucket, bucket_id), is_locked(RecordMetadata, record_id)))

        sa.event.listen(RecordMetadata, "before_update", look)
        try:
            record.delete()
        finally:
            sa.event.remove(RecordMetadata, "before_update", look)
            db.session.rollback()
        assert locked == [(True, False)]


def is_locked(model: type, row_id: object) -> bool:
    """Whether another transaction would have to wait for the row."""
    query = sa.select(model.id).where(model.id == row_id).with_for_update(skip_locked=True, key_share=True)
    with db.engine.connect() as connection:
        return connection.execute(query).first() is None

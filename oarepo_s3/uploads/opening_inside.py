# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Open an upload inside the caller's transaction: ``record.files[key] = MultipartUpload(...)``.

The session has to be filled at once, so the store is asked while the caller's transaction is open. The row is written
first, on a connection of its own, so that a caller who rolls back leaves something to sweep: a row in state opening.
It becomes open in the caller's transaction. SQLite has one writer, the caller; there the row is the caller's, too, and
a roll-back aborts the upload at the store.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from invenio_db import db
from invenio_files_rest.models import FileInstance, ObjectVersion
from sqlalchemy.orm import Session, scoped_session

from ..errors import StoreError, StoreUnknownOutcome, UploadExists
from . import files, sessions
from .aborting import Aborter
from .callers_transaction import when_ended
from .claiming import new_upload, plan_of
from .context import Context
from .models import Upload, slot_of
from .requests import OpenRequest
from .states import Event

logger = logging.getLogger(__name__)


class InsideOpener:
    """Opens uploads for callers that hold a transaction."""

    def __init__(self, context: Context, aborter: Aborter) -> None:
        """Work with this context; the aborter takes back what was opened."""
        self._context = context
        self._aborter = aborter

    def open(self, request: OpenRequest, version: ObjectVersion, file: FileInstance, uri: str) -> Upload:
        """Open an upload for a pending version that the caller has just added to its transaction.

        The caller, Invenio's own ``ObjectVersion.set_contents``, adds the size to the bucket afterwards.

        :raises BadRequest: key, size or plan cannot be.
        :raises UploadExists: another upload of the key is pending.
        :raises QuotaExceeded: the size does not fit.
        :raises StoreError: the store did not open it.
        """
        session: scoped_session[Session] = db.session
        plan = plan_of(self._context, request)
        slot = slot_of(request.bucket_id, request.key)
        self._check_free(session, slot)
        files.check_room(version.bucket, request.size)
        pending = files.PendingFile(version.version_id, file.id, uri, True, None)
        upload = new_upload(self._context, request, plan, pending)
        with self._own(session) as own:
            sessions.insert(own, [_without_slot(upload)])
        upload = self._create_at_store(session, _without_slot(upload))
        if _one_writer(session):
            when_ended(session(), rolled_back=partial(self._abort, upload))
        files.check_room(files.lock_bucket(session, request.bucket_id), request.size)
        self._check_free(session, slot)
        took_head, previous_head_id = files.show_pending(session, version)
        return sessions.advance(
            session, upload, Event.OPENED, self._context.clock(), actor=request.actor, active_slot=slot,
            took_head=took_head, previous_head_id=previous_head_id, due_at=upload.expires_at,
        )  # fmt: skip

    def _check_free(self, session: scoped_session[Session], slot: str) -> None:
        if sessions.get_active(session, slot) is not None:
            raise UploadExists("Another upload of this file is pending; complete or abort it first.")

    @contextmanager
    def _own(self, session: scoped_session[Session]) -> Iterator[sessions.AnySession]:
        """A transaction of its own, or the caller's where the database has one writer."""
        if _one_writer(session):
            yield session
        else:
            with db.engine.begin() as connection:
                yield connection

    def _create_at_store(self, session: scoped_session[Session], upload: Upload) -> Upload:
        now = self._context.clock()
        try:
            created = self._context.store.create_upload(
                upload.s3_bucket, upload.s3_key, content_type=upload.content_type, stamp=upload.stamp
            )
        except StoreUnknownOutcome:
            with self._own(session) as own:
                sessions.update(own, upload, may_have_strays=True, due_at=now)
            raise
        except StoreError as error:
            with self._own(session) as own:
                sessions.advance(own, upload, Event.OPEN_REFUSED, now, reason=error.code, due_at=None)
            raise
        with self._own(session) as own:
            return sessions.update(own, upload, s3_upload_id=created.upload_id, may_have_strays=created.retried)

    def _abort(self, upload: Upload) -> None:
        """The caller has rolled back, and the row with it: nobody else knows what the store has opened."""
        try:
            self._aborter.clear_store(upload)
        except StoreError:
            logger.exception("an upload of a rolled back transaction stays at the store: %s", upload.s3_key)


def _one_writer(session: scoped_session[Session]) -> bool:
    return bool(session.get_bind().dialect.name == "sqlite")


def _without_slot(upload: Upload) -> Upload:
    """The row must not hold the key before the caller has committed."""
    return replace(upload, active_slot=None)

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""End an upload inside the caller's transaction: for callers that know nothing of our own ones.

invenio-records-resources' stock transfer calls the storage from within its unit of work. The store is asked in the
middle of it, as the stock storage does; what the store was told is told again without harm should the caller roll back.
"""

import logging
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from invenio_db import db
from sqlalchemy.orm import Session, scoped_session

from ..errors import StoreError, StoreUnknownOutcome, StoreUploadGone, UploadExpired, UploadLost
from . import files, sessions
from .aborting import LEASE, Aborter
from .callers_transaction import when_ended
from .completing import Completer
from .context import Context
from .description import ended
from .models import Upload
from .states import ENDED, Event, State
from .verifying import checked_parts, checksum_of, our_object, verified

logger = logging.getLogger(__name__)


class InsideEnder:
    """Completes and aborts uploads for callers that hold a transaction."""

    def __init__(self, context: Context, aborter: Aborter, completer: Completer) -> None:
        """Work with this context; the completer checks, the aborter clears."""
        self._context = context
        self._aborter = aborter
        self._completer = completer

    def complete(self, upload: Upload) -> Upload:
        """Complete an upload; one that is completed already is answered as it is.

        :raises PartsMismatch: parts are missing or wrong.
        :raises Gone: it has expired, was aborted or is lost.
        :raises StoreError: the store could not be asked, or its answer is not known; repeat.
        """
        if upload.state is State.COMPLETED:
            return upload
        if upload.state is not State.OPEN:
            raise ended(upload)
        now = self._context.clock()
        if upload.expires_at <= now:
            raise UploadExpired("The upload has expired.", expired_at=upload.expires_at.isoformat())
        etag = self._join(upload)
        session = db.session
        claimed = sessions.advance(session, upload, Event.COMPLETE, now, claims=upload.claims + 1)
        checksum = checksum_of(self._context, upload, etag, None)
        due_at = self._aborter.look_for_strays_at(upload)
        completed = sessions.advance(session, claimed, Event.COMPLETED, now, etag=etag, due_at=due_at)
        files.publish(session, completed, checksum)
        return completed

    def _join(self, upload: Upload) -> str:
        """Let the store join the parts, and return the object's ETag."""
        parts = None
        try:
            parts = checked_parts(self._context, upload, {})
            self._context.store.complete_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "", parts)
        except (StoreUploadGone, StoreUnknownOutcome) as doubt:
            logger.info("upload %s: %s; the object tells", upload.id, doubt.code)
        found = our_object(self._context, upload)
        if found is None:
            raise StoreUnknownOutcome("The store does not show the object; ask again.")
        etag, problem = verified(self._context, upload, found, parts)
        if problem:
            raise UploadLost(f"The upload cannot be completed: {problem}.")
        return etag

    def abort(self, upload: Upload) -> None:
        """Let the upload be over when the caller commits; the store is cleared then, or else by the next sweep."""
        if upload.state in ENDED or upload.state is State.ABORTING:
            return
        now = self._context.clock()
        ending = sessions.advance(db.session, upload, Event.ABORT, now, due_at=now, ending=Event.ABORT)
        when_ended(db.session(), committed=lambda: self._clear(ending))

    def abort_with_files(self, session: scoped_session[Session], file_ids: sa.Select[Any]) -> int:
        """Abort the uploads that are to bring these files, as their records are deleted in the caller's transaction.

        The buckets are locked first, before what else the caller is about to lock. The store is cleared after the
        commit, or else by the next sweep. One that is just completing finds its file gone.

        :returns: how many uploads there are.
        """
        found = sessions.pending_of_files(session, file_ids)
        if not found:
            return 0
        files.lock_buckets(session, {upload.bucket_id for upload in found})
        uploads, now = sessions.pending_of_files(session, file_ids), self._context.clock()
        ending: list[Upload] = [upload for upload in uploads if upload.state is State.ABORTING]
        for state in (State.OPENING, State.OPEN):
            group = [upload for upload in uploads if upload.state is state]
            ending += sessions.advance_many(session, group, Event.ABORT, now, due_at=now + LEASE, ending=Event.ABORT)
        for upload in uploads:
            if upload.state is State.COMPLETING:
                sessions.update(session, upload, expires_at=now)
        when_ended(session(), closed=lambda: self._finish(ending))
        return len(uploads)

    def _finish(self, uploads: Sequence[Upload]) -> None:
        try:
            self._aborter.finish_if_possible(uploads)
        except Exception:  # the caller has committed and must not hear of it; a sweep goes on
            db.session.rollback()
            logger.exception("uploads of deleted files are left to the next sweep")

    def _clear(self, upload: Upload) -> None:
        try:
            self._aborter.clear_store(upload)
        except StoreError:
            logger.warning("upload %s is left to the next sweep", upload.id, exc_info=True)

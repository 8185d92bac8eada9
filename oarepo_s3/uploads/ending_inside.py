# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""End an upload inside the caller's transaction: for callers that know nothing of our own ones.

invenio-records-resources' stock transfer calls the storage from within its unit of work. The store is asked in the
middle of it, as the stock storage does; what the store was told is told again without harm should the caller roll back.
"""

import logging

from invenio_db import db

from ..errors import StoreError, StoreUnknownOutcome, StoreUploadGone, UploadExpired, UploadLost
from . import files, sessions
from .aborting import Aborter
from .callers_transaction import when_ended
from .completing import Completer
from .context import Context
from .description import ended
from .integrity import file_checksum
from .models import Upload
from .states import ENDED, Event, State

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
        checksum = file_checksum(
            etag, upload.part_size, () if upload.free_plan else None, opaque=self._context.rules.opaque_etags
        )
        due_at = self._aborter.look_for_strays_at(upload)
        completed = sessions.advance(session, claimed, Event.COMPLETED, now, etag=etag, due_at=due_at)
        files.publish(session, completed, checksum)
        return completed

    def _join(self, upload: Upload) -> str:
        """Let the store join the parts, and return the object's ETag."""
        parts = None
        try:
            parts = self._completer.checked_parts(upload, {})
            self._context.store.complete_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "", parts)
        except (StoreUploadGone, StoreUnknownOutcome) as doubt:
            logger.info("upload %s: %s; the object tells", upload.id, doubt.code)
        found = self._completer.our_object(upload)
        if found is None:
            raise StoreUnknownOutcome("The store does not show the object; ask again.")
        etag, problem = self._completer.verified(upload, found, parts)
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

    def _clear(self, upload: Upload) -> None:
        try:
            self._aborter.clear_store(upload)
        except StoreError:
            logger.warning("upload %s is left to the next sweep", upload.id, exc_info=True)

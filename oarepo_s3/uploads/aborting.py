# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""End an upload without a file: at the store first, then in the record, the quota and the row at once."""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session, scoped_session

from ..errors import StoreError, StoreRetryLater, StoreUploadGone, UploadBusy, UploadCompleted
from . import files, sessions
from .context import Context
from .models import Upload
from .releasing import release
from .states import ENDED, Event, State

logger = logging.getLogger(__name__)

IN_FLIGHT = timedelta(minutes=15)
"""How long a part whose URL has expired may still be on its way: stores check a URL when the request begins."""

LEASE = timedelta(minutes=5)
"""How long a row that somebody is clearing away is left alone by others."""

CLEARING_ROUNDS = 3
"""How often an upload is aborted until the store no longer lists it: a part in flight brings it back."""


class Aborter:
    """Aborts, expires and abandons uploads."""

    def __init__(self, context: Context) -> None:
        """Work with this context."""
        self._context = context

    def abort(self, upload: Upload, actor: str | None, reason: str | None = None) -> Upload:
        """Abort an upload that is opening or open; one that has ended without a file is answered as it is.

        :raises UploadCompleted: it is completed.
        :raises UploadBusy: it is completing, or has changed under our hands.
        :raises StoreError: the store could not be asked; the upload stays aborting, and a sweep goes on with it.
        """
        if upload.state is State.COMPLETED:
            raise UploadCompleted("The upload is completed; delete the file instead.")
        if upload.state is State.COMPLETING:
            raise UploadBusy("The upload is being completed.", retry_after=5)
        if upload.state in ENDED:
            return upload
        if upload.state is not State.ABORTING:
            self._context.announcer.before("abort", upload)
            upload = self.begin(upload, Event.ABORT, actor, reason)
        return self.finish(upload)

    def begin(self, upload: Upload, event: Event, actor: str | None = None, reason: str | None = None) -> Upload:
        """Decide that the upload is over; from here on nobody can complete it.

        :raises UploadBusy: another request was first.
        """
        try:
            with sessions.transaction() as session:
                return self.begin_within(session, upload, event, actor, reason)
        except sessions.Superseded:
            raise UploadBusy("Another request has just changed the upload.", retry_after=1) from None

    def begin_within(
        self, session: sessions.AnySession, upload: Upload, event: Event, actor: str | None, reason: str | None
    ) -> Upload:
        """The same inside the caller's transaction.

        :raises Superseded: another worker was first.
        """
        now = self._context.clock()
        return sessions.advance(
            session, upload, event, now, actor=actor, reason=reason, due_at=now + LEASE, ending=event
        )

    def finish(self, upload: Upload) -> Upload:
        """Clear the store, then record, quota and row; whoever does it last finds it done."""
        self.clear_store(upload)
        return self.finish_rows(upload)

    def finish_rows(self, upload: Upload) -> Upload:
        """Take the pending file back, now that the store holds nothing of it any more."""
        ended = self.finish_many([upload])
        return ended[0] if ended else self._current(upload)

    def finish_many(self, uploads: Sequence[Upload]) -> Sequence[Upload]:
        """The same for many, in one transaction; those that somebody else has ended are left out."""
        now = self._context.clock()
        by_recheck: dict[datetime, list[Upload]] = {}
        for upload in uploads:
            by_recheck.setdefault(self._recheck_at(upload, now), []).append(upload)
        ended: list[Upload] = []
        with sessions.transaction() as session:
            files.lock_buckets(session, {upload.bucket_id for upload in uploads})
            for due_at, group in by_recheck.items():
                ended += sessions.advance_many(session, group, Event.ABORTED, now, due_at=due_at, error=None)
            self.take_back(session, ended)
        for upload in ended:
            self._context.announcer.after("expire" if upload.ending == Event.EXPIRE else "abort", upload)
        return ended

    def take_back(self, session: scoped_session[Session], uploads: Sequence[Upload]) -> None:
        """Take the pending files of uploads back, whose buckets are locked, and tell their owners before and after."""
        if not uploads:
            return
        told = self._context.owners_of(uploads)
        for owner, group in told:
            owner.releasing(session, group)
        release(session, uploads)
        for owner, group in told:
            owner.released(session, group)

    def take_back_within(
        self, session: scoped_session[Session], uploads: Sequence[Upload], event: Event
    ) -> Sequence[Upload]:
        """Take pending files back at once, in the caller's transaction; the store is left to a sweep.

        The rows are aborting from here on and no longer hold their keys, so that new uploads may. The buckets have to
        be locked, and the rows read under that lock.
        """
        session.flush()  # taking back makes the session forget what it holds
        now = self._context.clock()
        freed: dict[str, Any] = {"active_slot": None, "due_at": now}
        aborting = [upload for upload in uploads if upload.state is State.ABORTING]
        ended = [sessions.update(session, upload, **freed) for upload in aborting]
        for state in (State.OPENING, State.OPEN):
            group = [upload for upload in uploads if upload.state is state]
            ended += sessions.advance_many(session, group, event, now, ending=event, **freed)
        self.take_back(session, ended)
        return ended

    def abandon(self, uploads: Sequence[Upload]) -> None:
        """Take back what was opened together, as one of them could not be: files and quota now, the store if it can."""
        with sessions.transaction() as session:
            files.lock_buckets(session, {upload.bucket_id for upload in uploads})
            pending = [
                upload
                for upload in sessions.get_many(session, [upload.id for upload in uploads])
                if upload.active_slot is not None and upload.state is not State.COMPLETING
            ]
            ended = self.take_back_within(session, pending, Event.ABORT)
        self.finish_if_possible(ended)

    def finish_if_possible(self, uploads: Sequence[Upload]) -> None:
        """Clear the store of uploads that are aborting, and then the rows; what fails is logged and left to a sweep."""
        cleared = []
        for upload in uploads:
            try:
                self.clear_store(upload)
                cleared.append(upload)
            except StoreError:
                logger.warning("upload %s is left to the next sweep", upload.id, exc_info=True)
        if cleared:
            self.finish_many(cleared)

    def clear_away(self, upload: Upload) -> None:
        """End an upload that holds a key although its time is over, or go on with one that somebody has begun to."""
        if upload.state is State.OPEN:
            upload = self.begin(upload, Event.EXPIRE)
        self.finish(upload)

    def fail_opening(self, upload: Upload, error: StoreError, actor: str | None) -> None:
        """The store did not open it: take the pending file back, unless another request has gone on with it."""
        now = self._context.clock()
        try:
            with sessions.transaction() as session:
                if upload.may_have_strays:  # an earlier call may have opened one: the sweep has to look
                    sessions.advance(
                        session, upload, Event.ABANDON, now, actor=actor, reason=error.code, due_at=now,
                        ending=Event.ABANDON,
                    )  # fmt: skip
                    return
                files.lock_bucket(session, upload.bucket_id)
                failed = sessions.advance(
                    session, upload, Event.OPEN_REFUSED, now, actor=actor, reason=error.code, due_at=None
                )
                self.take_back(session, [failed])
        except sessions.Superseded:
            return  # another request got through to the store: the upload is its own now

    def clear_store(self, upload: Upload) -> None:
        """Abort everything that the store holds of the upload, and see that it is gone.

        Of one that is completed only strays are aborted: some stores would drop the parts of its object.

        :raises StoreError: the store could not be asked, or still holds parts.
        """
        store = self._context.store
        if upload.is_one_put:
            self._clear_object(upload)
            return
        if upload.state is State.COMPLETED:
            for s3_upload_id in set(self._at_store(upload)) - {upload.s3_upload_id}:
                store.abort_upload(upload.s3_bucket, upload.s3_key, s3_upload_id)
            return
        for _ in range(CLEARING_ROUNDS):
            for s3_upload_id in set(self._at_store(upload)):
                store.abort_upload(upload.s3_bucket, upload.s3_key, s3_upload_id)
            if not self._still_there(upload):
                break
        else:
            raise StoreRetryLater("Parts keep arriving for an upload that was aborted.")
        if upload.claims:  # somebody asked to join the parts: that call may have had its effect after all
            store.delete_object(upload.s3_bucket, upload.s3_key)

    def _clear_object(self, upload: Upload) -> None:
        """Delete the object of an upload in one put; that of a completed one only where its file was deleted."""
        if upload.state is State.COMPLETED and upload.ending != Event.ORPHANED:
            return
        store = self._context.store
        for _ in range(CLEARING_ROUNDS):
            store.delete_object(upload.s3_bucket, upload.s3_key)
            if store.head_object(upload.s3_bucket, upload.s3_key) is None:
                return
        raise StoreRetryLater("The file keeps arriving for an upload that was aborted.")

    def _at_store(self, upload: Upload) -> Iterator[str]:
        if upload.s3_upload_id is not None:
            yield upload.s3_upload_id
        if upload.s3_upload_id is None or upload.may_have_strays:
            listed = self._context.store.list_uploads(upload.s3_bucket, upload.s3_key)
            yield from (found.upload_id for found in listed if found.key == upload.s3_key)

    def _still_there(self, upload: Upload) -> bool:
        if upload.s3_upload_id is None:
            return any(True for _ in self._at_store(upload))
        try:
            self._context.store.list_parts(upload.s3_bucket, upload.s3_key, upload.s3_upload_id)
        except StoreUploadGone:
            return False
        return True

    def look_for_strays_at(self, upload: Upload) -> datetime | None:
        """When a sweep has to look once more at an upload that has ended; None if it need not.

        Lost answers to the opening may have left something. And the URL of one put lives on: when the file is deleted
        soon, a client that sends it again brings the object back.
        """
        needed = upload.may_have_strays or upload.is_one_put
        return self._recheck_at(upload, self._context.clock()) if needed else None

    def _recheck_at(self, upload: Upload, now: datetime) -> datetime:
        """When to look once more: a part, or an answer to the opening, may still be on its way and bring it back."""
        last_url = min(upload.expires_at, now + timedelta(seconds=self._context.rules.url_expiration))
        return max(last_url, now) + IN_FLIGHT

    def _current(self, upload: Upload) -> Upload:
        with sessions.transaction() as session:
            return sessions.get(session, upload.id) or upload

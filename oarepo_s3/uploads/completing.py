# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Complete an upload: claim it, check the parts, join them, look at the object, publish the file.

Whatever the store's answer to the joining was, only a HEAD that shows an object of ours with the declared size makes
the file readable.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ..errors import (
    OARepoS3Error,
    PartsMismatch,
    StoreError,
    StorePartsRefused,
    StoreUnknownOutcome,
    StoreUploadGone,
    UploadAborted,
    UploadBusy,
    UploadExpired,
    UploadLost,
)
from ..store.contract import StoredObject, StoredPart
from . import files, sessions
from .aborting import Aborter
from .context import Context
from .description import ended
from .models import Upload
from .one_put import checked_object
from .states import Event, State
from .verifying import checked_parts, checksum_of, our_object, verified

CHECKING = timedelta(seconds=60)
"""Lease while the parts are listed and checked; a worker that dies here holds others up no longer than this."""

POLL = 0.25
"""Seconds between two looks at an upload that another request is completing."""


class Completer:
    """Completes uploads, and settles what an interrupted completion has left."""

    def __init__(self, context: Context, aborter: Aborter) -> None:
        """Work with this context; the aborter cleans up after a file that was deleted meanwhile."""
        self._context = context
        self._aborter = aborter

    def complete(
        self,
        upload: Upload,
        claimed: Mapping[int, str] | None = None,
        actor: str | None = None,
        *,
        wait: bool = True,
    ) -> Upload:
        """Complete an upload; one that is completed already is answered as it is.

        :param claimed: number -> ETag of the parts as the client knows them, or None if it does not say.
        :param wait: whether to wait for another request that is just completing it.
        :raises PartsMismatch: parts are missing or wrong; the upload is open again, for the client to repair.
        :raises UploadBusy: another request is completing it, and takes longer than ours waits.
        :raises Gone: it has expired, was aborted or is lost.
        :raises StoreError: the store could not be asked, or its answer is not known; repeat.
        """
        give_up = self._context.after(self._context.rules.busy_wait if wait else 0)
        while True:
            if upload.state is State.COMPLETED:
                return upload
            if upload.state not in (State.OPEN, State.COMPLETING):
                raise ended(upload)
            taken = self._take(upload, claimed, actor)
            if taken is not None:
                return self._join(taken, claimed or {}, actor)
            if self._context.clock() >= give_up:
                return self._by_its_object(upload, actor)
            self._context.sleep(POLL)
            upload = self.current(upload)

    def settle(self, upload: Upload) -> Upload:
        """Find out what became of a completion that was interrupted, and end it: completed, open again, or lost.

        :raises UploadBusy: the completion is not over.
        :raises StoreError: the store could not be asked.
        """
        if upload.state is not State.COMPLETING:
            return upload
        taken = self._take_over(upload)
        if taken is None:
            raise UploadBusy("The upload is being completed.", retry_after=5)
        found = our_object(self._context, taken)
        if found is not None:
            return self.publish(taken, found, None, None)
        if upload.is_one_put:  # it may still come
            return self._reopen(taken, None, "interrupted")
        try:
            self._context.store.list_parts(taken.s3_bucket, taken.s3_key, taken.s3_upload_id or "")
        except StoreUploadGone:
            return self._lose(taken, None)
        return self._reopen(taken, None, "interrupted")

    def _by_its_object(self, upload: Upload, actor: str | None) -> Upload:
        """Go on where the one who completes it may have died after the store had joined the parts."""
        found = our_object(self._context, upload)
        if found is None:
            raise UploadBusy("Another request is completing the upload.", retry_after=5)
        return self.publish(upload, found, None, actor)

    def current(self, upload: Upload) -> Upload:
        """The upload as it is now."""
        with sessions.transaction() as session:
            return sessions.get(session, upload.id) or upload

    def _take(self, upload: Upload, claimed: Mapping[int, str] | None, actor: str | None) -> Upload | None:
        """Claim the upload for this request, or None while another one has it."""
        if upload.state is State.COMPLETING:
            return self._take_over(upload)
        self.check_open(upload, claimed)
        return self._claim(upload, Event.COMPLETE, actor)

    def check_open(self, upload: Upload, claimed: Mapping[int, str] | None) -> None:
        """Check that an open upload can be completed, and announce it.

        :raises Gone: its time is over.
        """
        if upload.expires_at <= self._context.clock():
            raise UploadExpired("The upload has expired.", expired_at=upload.expires_at.isoformat())
        if upload.s3_upload_id is None and not upload.is_one_put:
            raise ended(upload)
        self._context.announcer.before("complete", upload, parts=claimed)

    def claim_many(self, session: sessions.AnySession, uploads: Sequence[Upload], actor: str | None) -> list[Upload]:
        """Claim open uploads; those that somebody else has changed are left out."""
        now, claimed = self._context.clock(), list[Upload]()
        for claims in {upload.claims for upload in uploads}:
            group = [upload for upload in uploads if upload.claims == claims]
            lease = _lease(claims, now)
            claimed += sessions.advance_many(session, group, Event.COMPLETE, now, actor=actor, **lease)
        return claimed

    def _take_over(self, upload: Upload) -> Upload | None:
        """Claim an upload whose completion was interrupted, or None while the one who completes it may be alive."""
        if upload.claimed_until is not None and upload.claimed_until > self._context.clock():
            return None
        return self._claim(upload, None, None)

    def _claim(self, upload: Upload, event: Event | None, actor: str | None) -> Upload | None:
        now = self._context.clock()
        lease = _lease(upload.claims, now)
        try:
            with sessions.transaction() as session:
                if event is None:
                    return sessions.update(session, upload, **lease)
                return sessions.advance(session, upload, event, now, actor=actor, **lease)
        except sessions.Superseded:
            return None

    def _join(self, upload: Upload, claimed: Mapping[int, str], actor: str | None) -> Upload:
        parts, found = None, None
        try:
            if upload.is_one_put:
                found = checked_object(self._context, upload, claimed)
            else:
                parts = checked_parts(self._context, upload, claimed)
                upload = self.lease_for_joining(upload)
                self._context.store.complete_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "", parts)
        except OARepoS3Error as error:
            return self.after_failure(upload, error, actor)
        found = found or our_object(self._context, upload)
        if found is None:
            raise StoreUnknownOutcome("The store joined the parts, but does not show the object yet.")
        return self.publish(upload, found, parts, actor)

    def after_failure(self, upload: Upload, error: OARepoS3Error, actor: str | None) -> Upload:
        """Go on after a claimed upload could not be checked or joined: open again, over, or done after all.

        :raises OARepoS3Error: it is not done; the same error if there is no better one.
        """
        if isinstance(error, StoreUploadGone):
            found = our_object(self._context, upload)
            return self._lose(upload, actor) if found is None else self.publish(upload, found, None, actor)
        if isinstance(error, StoreUnknownOutcome) and not upload.is_one_put:
            return self._after_unknown(upload, actor)
        if upload.claims > 1 and isinstance(error, StoreError) and not isinstance(error, StorePartsRefused):
            self._let_go(upload)  # an earlier call may have joined the parts
        else:
            self._reopen(upload, actor, error.code)
        if isinstance(error, StorePartsRefused):
            raise PartsMismatch("The store refuses the parts.", missing=[], wrong=[], reason=error.message) from error
        raise error

    def lease_for_joining(self, upload: Upload) -> Upload:
        """Hold the claim for as long as the store may take; it may go on even when this process dies.

        :raises UploadBusy: somebody has taken it over.
        """
        until = self._context.after(self._context.rules.complete_timeout)
        try:
            with sessions.transaction() as session:
                return sessions.update(session, upload, claimed_until=until, due_at=until)
        except sessions.Superseded:
            raise UploadBusy("Another request has taken the upload over.", retry_after=5) from None

    def _after_unknown(self, upload: Upload, actor: str | None) -> Upload:
        """Nobody knows whether the store has joined the parts: an object of ours says yes, nothing says no."""
        found = our_object(self._context, upload)
        if found is not None:
            return self.publish(upload, found, None, actor)
        if not self._let_go(upload):
            return self._after_race(upload)
        raise StoreUnknownOutcome("The store did not say whether it has completed the upload; ask again.")

    def _let_go(self, upload: Upload) -> bool:
        """Stay completing, for whoever asks next to settle; whether nobody has taken it over meanwhile."""
        now = self._context.clock()
        try:
            with sessions.transaction() as session:
                sessions.update(session, upload, claimed_until=now, due_at=now)
        except sessions.Superseded:
            return False
        return True

    def publish(
        self, upload: Upload, found: StoredObject, parts: Sequence[StoredPart] | None, actor: str | None
    ) -> Upload:
        """Make the file of a claimed upload readable, or end the upload if the object is not the file.

        :raises UploadLost: it is not.
        :raises UploadAborted: the file was deleted meanwhile.
        :raises UploadBusy: somebody has taken it over.
        """
        etag, problem = verified(self._context, upload, found, parts)
        if problem:
            self._context.store.delete_object(upload.s3_bucket, upload.s3_key)
            return self._lose(upload, actor, problem)
        checksum = checksum_of(self._context, upload, etag, parts)
        now = self._context.clock()
        try:
            with sessions.transaction() as session:
                files.lock_bucket(session, upload.bucket_id)
                completed = sessions.advance(
                    session, upload, Event.COMPLETED, now, actor=actor, etag=etag,
                    due_at=self._aborter.look_for_strays_at(upload), claimed_until=None,
                )  # fmt: skip
                files.publish(session, upload, checksum)
                for owner, group in self._context.owners_of([completed]):
                    owner.completed(session, group)
        except sessions.Superseded:
            return self._after_race(upload)
        except files.Orphaned as orphaned:
            self._aborter.finish(self._aborter.begin(upload, Event.ORPHANED, actor, str(orphaned)))
            raise UploadAborted("The file was deleted while its upload was completing.") from orphaned
        self._context.announcer.after("complete", completed)
        return completed

    def _lose(self, upload: Upload, actor: str | None, reason: str = "gone at the store") -> Upload:
        now = self._context.clock()
        try:
            with sessions.transaction() as session:
                files.lock_bucket(session, upload.bucket_id)
                lost = sessions.advance(
                    session, upload, Event.LOST, now, actor=actor, reason=reason,
                    due_at=self._aborter.look_for_strays_at(upload), claimed_until=None,
                )  # fmt: skip
                self._aborter.take_back(session, [lost])
        except sessions.Superseded:
            return self._after_race(upload)
        raise UploadLost(f"The upload cannot be completed: {reason}.")

    def _reopen(self, upload: Upload, actor: str | None, reason: str) -> Upload:
        now = self._context.clock()
        try:
            with sessions.transaction() as session:
                return sessions.advance(
                    session, upload, Event.PARTS_REFUSED, now, actor=actor, reason=reason,
                    due_at=upload.expires_at, claimed_until=None,
                )  # fmt: skip
        except sessions.Superseded:
            return self.current(upload)

    def _after_race(self, upload: Upload) -> Upload:
        """Somebody took the claim over while we were at it: their outcome is the answer."""
        current = self.current(upload)
        if current.state is State.COMPLETED:
            return current
        if current.state in (State.OPEN, State.COMPLETING):
            raise UploadBusy("Another request has taken the upload over.", retry_after=1)
        raise ended(current)


def _lease(claims: int, now: datetime) -> dict[str, Any]:
    until = now + CHECKING
    return {"claims": claims + 1, "claimed_until": until, "due_at": until}

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Complete an upload: claim it, check the parts, join them, look at the object, publish the file.

Whatever the store's answer to the joining was, only a HEAD that shows an object of ours with the declared size makes
the file readable.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
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
from .integrity import check_parts, composite_etag, declared_matches, file_checksum
from .models import Upload
from .releasing import release
from .states import Event, State

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

    def complete(self, upload: Upload, claimed: Mapping[int, str] | None = None, actor: str | None = None) -> Upload:
        """Complete an upload; one that is completed already is answered as it is.

        :param claimed: number -> ETag of the parts as the client knows them, or None if it does not say.
        :raises PartsMismatch: parts are missing or wrong; the upload is open again, for the client to repair.
        :raises UploadBusy: another request is completing it, and takes longer than ours waits.
        :raises Gone: it has expired, was aborted or is lost.
        :raises StoreError: the store could not be asked, or its answer is not known; repeat.
        """
        give_up = self._context.after(self._context.rules.busy_wait)
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
        found = self.our_object(taken)
        if found is not None:
            return self._publish(taken, found, None, None)
        try:
            self._context.store.list_parts(taken.s3_bucket, taken.s3_key, taken.s3_upload_id or "")
        except StoreUploadGone:
            return self._lose(taken, None)
        return self._reopen(taken, None, "interrupted")

    def _by_its_object(self, upload: Upload, actor: str | None) -> Upload:
        """Go on where the one who completes it may have died after the store had joined the parts."""
        found = self.our_object(upload)
        if found is None:
            raise UploadBusy("Another request is completing the upload.", retry_after=5)
        return self._publish(upload, found, None, actor)

    def current(self, upload: Upload) -> Upload:
        """The upload as it is now."""
        with sessions.transaction() as session:
            return sessions.get(session, upload.id) or upload

    def _take(self, upload: Upload, claimed: Mapping[int, str] | None, actor: str | None) -> Upload | None:
        """Claim the upload for this request, or None while another one has it."""
        if upload.state is State.COMPLETING:
            return self._take_over(upload)
        now = self._context.clock()
        if upload.expires_at <= now:
            raise UploadExpired("The upload has expired.", expired_at=upload.expires_at.isoformat())
        if upload.s3_upload_id is None:
            raise ended(upload)
        self._context.announcer.before("complete", upload, parts=claimed)
        return self._claim(upload, Event.COMPLETE, actor)

    def _take_over(self, upload: Upload) -> Upload | None:
        """Claim an upload whose completion was interrupted, or None while the one who completes it may be alive."""
        if upload.claimed_until is not None and upload.claimed_until > self._context.clock():
            return None
        return self._claim(upload, None, None)

    def _claim(self, upload: Upload, event: Event | None, actor: str | None) -> Upload | None:
        now = self._context.clock()
        until = now + CHECKING
        lease: dict[str, Any] = {"claims": upload.claims + 1, "claimed_until": until, "due_at": until}
        try:
            with sessions.transaction() as session:
                if event is None:
                    return sessions.update(session, upload, **lease)
                return sessions.advance(session, upload, event, now, actor=actor, **lease)
        except sessions.Superseded:
            return None

    def _join(self, upload: Upload, claimed: Mapping[int, str], actor: str | None) -> Upload:
        try:
            parts = self.checked_parts(upload, claimed)
            upload = self._lease_for_joining(upload)
            self._context.store.complete_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "", parts)
        except StoreUploadGone:
            found = self.our_object(upload)
            return self._lose(upload, actor) if found is None else self._publish(upload, found, None, actor)
        except StoreUnknownOutcome:
            return self._after_unknown(upload, actor)
        except StorePartsRefused as error:
            self._reopen(upload, actor, error.code)
            raise PartsMismatch("The store refuses the parts.", missing=[], wrong=[], reason=error.message) from error
        except sessions.Superseded:
            raise UploadBusy("Another request has taken the upload over.", retry_after=5) from None
        except OARepoS3Error as error:
            if upload.claims > 1 and isinstance(error, StoreError):  # an earlier call may have joined the parts
                self._let_go(upload)
            else:
                self._reopen(upload, actor, error.code)
            raise
        found = self.our_object(upload)
        if found is None:
            raise StoreUnknownOutcome("The store joined the parts, but does not show the object yet.")
        return self._publish(upload, found, parts, actor)

    def checked_parts(self, upload: Upload, claimed: Mapping[int, str]) -> Sequence[StoredPart]:
        """The parts at the store, checked; asked for once more where the client reports one that is not listed."""
        store, rules = self._context.store, self._context.rules
        parts = store.list_parts(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
        if claimed.keys() - {part.number for part in parts}:
            parts = store.list_parts(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
        check_parts(
            upload.plan, parts, free=upload.free_plan, limits=self._context.limits, equal=rules.equal_parts,
            claimed=claimed,
        )  # fmt: skip
        expected = None if rules.opaque_etags else composite_etag([part.etag for part in parts])
        if upload.checksum and expected and not declared_matches(upload.checksum, expected):
            raise PartsMismatch(
                "The parts are not the file that was declared.",
                missing=[],
                wrong=[{"part": None, "problem": "checksum", "expected": upload.checksum, "found": expected}],
            )
        return parts

    def _lease_for_joining(self, upload: Upload) -> Upload:
        """Hold the claim for as long as the store may take; it may go on even when this process dies."""
        until = self._context.after(self._context.rules.complete_timeout)
        with sessions.transaction() as session:
            return sessions.update(session, upload, claimed_until=until, due_at=until)

    def _after_unknown(self, upload: Upload, actor: str | None) -> Upload:
        """Nobody knows whether the store has joined the parts: an object of ours says yes, nothing says no."""
        found = self.our_object(upload)
        if found is not None:
            return self._publish(upload, found, None, actor)
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

    def our_object(self, upload: Upload) -> StoredObject | None:
        """The object at the store if it is this upload's."""
        found = self._context.store.head_object(upload.s3_bucket, upload.s3_key)
        return found if found is not None and found.stamp == upload.stamp else None

    def _publish(
        self, upload: Upload, found: StoredObject, parts: Sequence[StoredPart] | None, actor: str | None
    ) -> Upload:
        etag, problem = self.verified(upload, found, parts)
        if problem:
            self._context.store.delete_object(upload.s3_bucket, upload.s3_key)
            return self._lose(upload, actor, problem)
        opaque = self._context.rules.opaque_etags
        checksum = file_checksum(etag, upload.part_size, (parts or ()) if upload.free_plan else None, opaque=opaque)
        now = self._context.clock()
        try:
            with sessions.transaction() as session:
                files.lock_bucket(session, upload.bucket_id)
                completed = sessions.advance(
                    session, upload, Event.COMPLETED, now, actor=actor, etag=etag,
                    due_at=self._aborter.look_for_strays_at(upload), claimed_until=None,
                )  # fmt: skip
                files.publish(session, upload, checksum)
                for owner in self._context.owners(upload.owner):
                    owner.completed(session, completed)
        except sessions.Superseded:
            return self._after_race(upload)
        except files.Orphaned as orphaned:
            self._aborter.finish(self._aborter.begin(upload, Event.ORPHANED, actor, str(orphaned)))
            raise UploadAborted("The file was deleted while its upload was completing.") from orphaned
        self._context.announcer.after("complete", completed)
        return completed

    def verified(
        self, upload: Upload, found: StoredObject, parts: Sequence[StoredPart] | None
    ) -> tuple[str, str | None]:
        """(ETag, what is wrong with the object or None)."""
        if found.size != upload.size:
            return found.etag, f"the object has {found.size} bytes, not {upload.size}"
        if self._context.rules.opaque_etags:
            return found.etag, None
        predicted = composite_etag([part.etag for part in parts or ()]) or found.etag
        # rclone answers the MD5 of the whole object here; only another composite can contradict the prediction.
        if "-" in found.etag and found.etag != predicted:
            return found.etag, f"the object's ETag is {found.etag}, its parts make {predicted}"
        if upload.checksum and "-" in predicted and not declared_matches(upload.checksum, predicted):
            return found.etag, f"the checksum was declared as {upload.checksum}, the parts make {predicted}"
        return predicted, None

    def _lose(self, upload: Upload, actor: str | None, reason: str = "gone at the store") -> Upload:
        now = self._context.clock()
        try:
            with sessions.transaction() as session:
                files.lock_bucket(session, upload.bucket_id)
                lost = sessions.advance(
                    session, upload, Event.LOST, now, actor=actor, reason=reason,
                    due_at=self._aborter.look_for_strays_at(upload), claimed_until=None,
                )  # fmt: skip
                release(session, [lost])
                for owner in self._context.owners(upload.owner):
                    owner.released(session, [lost])
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

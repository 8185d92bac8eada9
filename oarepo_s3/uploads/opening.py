# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Open an upload: the row first, then the store, then the row again."""

from typing import Any

from invenio_files_rest.models import Bucket
from sqlalchemy.orm import Session, scoped_session

from ..errors import (
    StoreError,
    StoreRetryLater,
    StoreUnknownOutcome,
    UploadBusy,
)
from ..store.contract import CreatedUpload
from . import files, sessions
from .aborting import Aborter
from .claiming import begin, check_same, plan_of
from .context import Context
from .models import Upload, slot_of
from .plan import Plan
from .requests import Opened, OpenRequest
from .states import Event, State

__all__ = ("Opened", "OpenRequest", "Opener")

ROUNDS = 3
"""How often a dead upload that holds the key is cleared away before the caller is told to come back."""


class Opener:
    """Opens uploads for callers that hold no transaction."""

    def __init__(self, context: Context, aborter: Aborter) -> None:
        """Work with this context; the aborter clears dead uploads out of the way."""
        self._context = context
        self._aborter = aborter

    def open(self, request: OpenRequest) -> Opened:
        """Open an upload, or find the one that is open already for the same file.

        :raises BadRequest: key, size or plan cannot be.
        :raises BucketLocked: the bucket takes no files.
        :raises QuotaExceeded: the size does not fit.
        :raises UploadExists: another upload of the key is pending, of another size, plan or content.
        :raises UploadBusy: an upload of the key is just completing or being cleared away.
        :raises StoreError: the store did not open it; nothing is left of it, or a repetition goes on with it.
        """
        plan = plan_of(self._context, request)
        for _ in range(ROUNDS):
            try:
                upload, fresh = self._claim(request, plan)
            except sessions.Superseded:  # whoever was opening it has just got the store's answer
                continue
            if upload.state is State.OPENING:
                return Opened(self.create_at_store(upload, request.actor), resumed=not fresh)
            if upload.state is State.OPEN and upload.expires_at > self._context.clock():
                return Opened(upload, resumed=not fresh)
            if upload.state is State.COMPLETING:
                break
            self._aborter.clear_away(upload)
        raise UploadBusy("An earlier upload of this file is being completed or cleared away.", retry_after=5)

    def _claim(self, request: OpenRequest, plan: Plan) -> tuple[Upload, bool]:
        """The upload that holds the key, or a new row that does, and whether it is new."""
        with sessions.transaction() as session:
            bucket = files.lock_bucket(session, request.bucket_id)
            active = sessions.get_active(session, slot_of(request.bucket_id, request.key))
            if active is not None:
                return self._resume(session, active, request, plan), False
            return self._begin(session, bucket, request, plan), True

    def claim_within(self, session: scoped_session[Session], request: OpenRequest) -> Opened:
        """The upload that holds the key, or a new row that does, in the caller's transaction; no store is asked.

        One whose time is over is taken back at once, its file and its quota with it. A row in state opening has to go
        through :meth:`create_at_store` once the caller has committed.

        :raises UploadBusy: an upload of the key is just completing.
        :raises OARepoS3Error: as in :meth:`open`, but for what the store says.
        """
        plan = plan_of(self._context, request)
        bucket = files.lock_bucket(session, request.bucket_id)
        active = sessions.get_active(session, slot_of(request.bucket_id, request.key))
        if active is None or self._is_over(active):
            if active is not None:
                self._aborter.take_back_within(session, [active], Event.EXPIRE)
            return Opened(self._begin(session, bucket, request, plan), resumed=False, replaced=active)
        if active.state is State.COMPLETING:
            raise UploadBusy("The upload of this file is being completed.", retry_after=5)
        try:
            return Opened(self._resume(session, active, request, plan), resumed=True)
        except sessions.Superseded:
            # Whoever was opening it has just got the store's answer, for which no lock is needed.
            opened = sessions.get(session, active.id) or active
            return Opened(self._resume(session, opened, request, plan), resumed=True)

    def _is_over(self, upload: Upload) -> bool:
        expired = upload.expires_at <= self._context.clock()
        return upload.state is State.ABORTING or (expired and upload.state is not State.COMPLETING)

    def _begin(
        self, session: scoped_session[Session], bucket: Bucket | None, request: OpenRequest, plan: Plan
    ) -> Upload:
        return begin(self._context, session, files.take_room(bucket, request.size), [(request, plan)])[0]

    def _resume(self, session: sessions.AnySession, active: Upload, request: OpenRequest, plan: Plan) -> Upload:
        alive = active.state is State.OPENING or (
            active.state is State.OPEN and active.expires_at > self._context.clock()
        )
        if alive:
            check_same(active, request, plan)
        if active.state is State.OPENING:  # an answer was lost, or another request is waiting for it just now
            return sessions.update(session, active, may_have_strays=True)
        return active

    def create_at_store(self, upload: Upload, actor: str | None) -> Upload:
        """Let the store open an upload whose row is in state opening; outside of any transaction.

        :raises StoreError: the store did not open it; nothing is left of it, or a repetition goes on with it.
        """
        return self.note_created(upload, self.ask_store(upload), actor)

    def ask_store(self, upload: Upload) -> CreatedUpload | StoreError:
        """The store's answer to the opening; touches no database."""
        try:
            return self._context.store.create_upload(
                upload.s3_bucket, upload.s3_key, content_type=upload.content_type, stamp=upload.stamp
            )
        except StoreError as error:
            return error

    def note_created(self, upload: Upload, created: CreatedUpload | StoreError, actor: str | None) -> Upload:
        """Go on with the store's answer; raises as :meth:`create_at_store`."""
        if isinstance(created, StoreUnknownOutcome):
            self._note(upload, may_have_strays=True)
            raise created
        if isinstance(created, StoreError):
            self._aborter.fail_opening(upload, created, actor)
            raise created
        try:
            with sessions.transaction() as session:
                # Another request may have noted a stray since the row was read: the note is never taken back.
                strays: dict[str, Any] = {"may_have_strays": True} if created.retried else {}
                return sessions.advance(
                    session,
                    upload,
                    Event.OPENED,
                    self._context.clock(),
                    actor=actor,
                    s3_upload_id=created.upload_id,
                    due_at=upload.expires_at,
                    **strays,
                )
        except sessions.Superseded:
            self._context.store.abort_upload(upload.s3_bucket, upload.s3_key, created.upload_id)
            return self._winner(upload)

    def _winner(self, upload: Upload) -> Upload:
        """What another request has made of the row meanwhile."""
        with sessions.transaction() as session:
            current = sessions.get(session, upload.id)
        if current is not None and current.state is State.OPEN:
            return current
        raise StoreRetryLater("The upload was not opened; try again.")

    def _note(self, upload: Upload, **facts: Any) -> None:
        try:
            with sessions.transaction() as session:
                sessions.update(session, upload, **facts)
        except sessions.Superseded:
            return  # another request has gone on with the row, and it noted the doubt itself when it took it

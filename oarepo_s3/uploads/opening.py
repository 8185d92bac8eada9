# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Open an upload: the row first, then the store, then the row again."""

import secrets
import uuid
from dataclasses import dataclass, field
from typing import Any

from ..errors import (
    StoreError,
    StoreRetryLater,
    StoreUnknownOutcome,
    UploadBusy,
    UploadExists,
)
from . import files, sessions
from .aborting import Aborter
from .context import Context
from .keys import check_key
from .models import Upload, slot_of
from .plan import Plan, make_plan
from .states import Event, State

ROUNDS = 3
"""How often a dead upload that holds the key is cleared away before the caller is told to come back."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """What is asked for: sizes in bytes, ``expires`` in seconds, the rest as in the table of uploads."""

    bucket_id: uuid.UUID
    key: str
    size: int
    part_size: int | None = None
    parts_count: int | None = None
    content_type: str = "application/octet-stream"
    fingerprint: str | None = None
    checksum: str | None = None
    expires: int | None = None
    owner: str | None = None
    owner_data: dict[str, Any] = field(default_factory=dict)
    actor: str | None = None
    complete_url: str | None = None
    abort_url: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """The upload, and whether it was there before."""

    upload: Upload
    resumed: bool


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
        plan = self.plan_of(request)
        for _ in range(ROUNDS):
            try:
                upload, fresh = self._claim(request, plan)
            except sessions.Superseded:  # whoever was opening it has just got the store's answer
                continue
            if upload.state is State.OPENING:
                return Opened(self._create_at_store(upload, request.actor), resumed=not fresh)
            if upload.state is State.OPEN and upload.expires_at > self._context.clock():
                return Opened(upload, resumed=True)
            if upload.state is State.COMPLETING:
                break
            self._aborter.clear_away(upload)
        raise UploadBusy("An earlier upload of this file is being completed or cleared away.", retry_after=5)

    def plan_of(self, request: OpenRequest) -> Plan:
        """Check key and sizes, and make the plan; no I/O."""
        check_key(request.key, self._context.rules.max_key_length)
        return make_plan(
            request.size, self._context.limits, part_size=request.part_size, parts_count=request.parts_count
        )

    def _claim(self, request: OpenRequest, plan: Plan) -> tuple[Upload, bool]:
        """The upload that holds the key, or a new row that does, and whether it is new."""
        with sessions.transaction() as session:
            bucket = files.lock_bucket(session, request.bucket_id)
            active = sessions.get_active(session, slot_of(request.bucket_id, request.key))
            if active is not None:
                return self._resume(session, active, request, plan), False
            files.check_room(bucket, request.size)
            assert bucket is not None  # check_room refuses a bucket that is not there
            media_type = None if request.content_type == "application/octet-stream" else request.content_type
            pending = files.reserve(session, bucket, request.key, request.size, media_type)
            upload = new_upload(self._context, request, plan, pending)
            sessions.insert(session, upload, actor=request.actor)
            for owner in self._context.owners(upload.owner):
                owner.opened(session, upload)
            return upload, True

    def _resume(self, session: sessions.AnySession, active: Upload, request: OpenRequest, plan: Plan) -> Upload:
        alive = active.state is State.OPENING or (
            active.state is State.OPEN and active.expires_at > self._context.clock()
        )
        if alive:
            check_same(active, request, plan)
        if active.state is State.OPENING:  # an answer was lost, or another request is waiting for it just now
            return sessions.update(session, active, may_have_strays=True)
        return active

    def _create_at_store(self, upload: Upload, actor: str | None) -> Upload:
        store = self._context.store
        try:
            created = store.create_upload(
                upload.s3_bucket, upload.s3_key, content_type=upload.content_type, stamp=upload.stamp
            )
        except StoreUnknownOutcome:
            self._note(upload, may_have_strays=True)
            raise
        except StoreError as error:
            self._aborter.fail_opening(upload, error, actor)
            raise
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
            store.abort_upload(upload.s3_bucket, upload.s3_key, created.upload_id)
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


def new_upload(context: Context, request: OpenRequest, plan: Plan, pending: files.PendingFile) -> Upload:
    """The row of a new upload, in state opening."""
    now = context.clock()
    s3_bucket, _, s3_key = pending.uri.removeprefix("s3://").partition("/")
    slot = slot_of(request.bucket_id, request.key)
    return Upload(
        id=uuid.uuid4(),
        public_id=secrets.token_urlsafe(32),
        state=State.OPENING,
        slot=slot,
        active_slot=slot,
        bucket_id=request.bucket_id,
        key=request.key,
        version_id=pending.version_id,
        file_id=pending.file_id,
        took_head=pending.took_head,
        previous_head_id=pending.previous_head_id,
        s3_bucket=s3_bucket,
        s3_key=s3_key,
        s3_upload_id=None,
        may_have_strays=False,
        size=plan.size,
        part_size=plan.part_size,
        parts_count=plan.parts_count,
        free_plan=False,
        content_type=request.content_type,
        fingerprint=request.fingerprint,
        checksum=request.checksum,
        etag=None,
        owner=request.owner,
        owner_data=request.owner_data,
        created_by=request.actor,
        complete_url=request.complete_url,
        abort_url=request.abort_url,
        created=now,
        updated=now,
        expires_at=context.after(request.expires or context.rules.upload_expiration),
        due_at=context.after(context.rules.reconcile_after),
        claims=0,
        claimed_until=None,
        ending=None,
        attempts=0,
        error=None,
    )


def check_same(active: Upload, request: OpenRequest, plan: Plan) -> None:
    """Check that the pending upload is for the same file.

    :raises UploadExists: it is not; details tell what it is for.
    """
    explicit = request.part_size is not None or request.parts_count is not None
    same_plan = not explicit or active.free_plan or active.plan == plan
    if active.size != request.size or not same_plan or active.fingerprint != request.fingerprint:
        raise UploadExists(
            "Another upload of this file is pending; complete or abort it first.",
            size=active.size,
            part_size=active.part_size,
            expires_at=active.expires_at.isoformat(),
        )

# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The use cases of an upload: the one narrow door that every face goes through.

Every method asks the store outside of any transaction. None may be called with unsaved work in the database session,
except :meth:`UploadService.open_inside`, which is for callers that hold a transaction.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from invenio_db import db
from invenio_files_rest.models import FileInstance, ObjectVersion

from ..errors import Gone, InvalidPlan, UploadExpired, UploadNotFound
from ..store.presign import PartSigner
from . import quota, sessions
from .aborting import Aborter
from .batches import Batches
from .claiming import plan_of
from .completing import Completer
from .context import Context
from .description import PartsReport, SignedPart, ended, first_numbers, session_of
from .ending_inside import InsideEnder
from .models import Upload, slot_of
from .one_put import SignedPut, sign_put
from .opening import Opened, Opener, OpenRequest
from .opening_inside import InsideOpener
from .plan import Plan
from .reconciling import Reconciler, ReconcileReport
from .states import State
from .sweeping import Sweeper, SweepReport
from .verifying import report_of


class UploadService:
    """Open, sign, list, complete, abort, expire and reconcile uploads."""

    def __init__(self, context: Context) -> None:
        """Work with this store, signer, clock and adapters."""
        self.context = context
        self._aborter = Aborter(context)
        self._completer = Completer(context, self._aborter)
        self._opener = Opener(context, self._aborter)
        self._inside = InsideOpener(context, self._aborter)
        self._inside_ender = InsideEnder(context, self._aborter, self._completer)
        self._sweeper = Sweeper(context, self._aborter)
        self.batches = Batches(context, self._aborter, self._opener, self._completer)
        self._reconciler = Reconciler(context, self._aborter, self._completer)

    # finding ----------------------------------------------------------------------------------------------------------

    def find(self, bucket_id: uuid.UUID, key: str, public_id: str | None = None) -> Upload:
        """The pending upload of a file, or else its last one.

        :param public_id: the upload id as the client knows it, if it has to be that one.
        :raises UploadNotFound: there is none, or it is another one.
        """
        with sessions.transaction() as session:
            slot = slot_of(bucket_id, key)
            upload = sessions.get_active(session, slot) or sessions.get_latest(session, slot)
            if upload is not None and public_id not in (None, upload.public_id):
                upload = sessions.get_by_public_id(session, slot, public_id or "")
        if upload is None:
            raise UploadNotFound("There is no such upload.")
        return upload

    def find_pending(self, bucket_id: uuid.UUID, key: str) -> Upload | None:
        """The upload of a file that has not ended, if there is one."""
        with sessions.transaction() as session:
            return sessions.get_active(session, slot_of(bucket_id, key))

    def of_file(self, file_id: uuid.UUID) -> Upload:
        """The upload that brought, or is to bring, a file; reads in the caller's transaction.

        :raises UploadNotFound: the file came by other means.
        """
        upload = sessions.get_of_file(db.session, file_id)
        if upload is None:
            raise UploadNotFound("There is no such upload.")
        return upload

    def find_of_file(self, file_id: uuid.UUID) -> Upload:
        """The same in a transaction of its own, so that none is open afterwards."""
        with sessions.transaction():
            return self.of_file(file_id)

    def pending(self, bucket_id: uuid.UUID) -> Sequence[Upload]:
        """The uploads of a bucket that have not ended, oldest first."""
        with sessions.transaction() as session:
            return sessions.pending_in_bucket(session, bucket_id)

    # the life ---------------------------------------------------------------------------------------------------------

    def plan_of(self, request: OpenRequest) -> Plan:
        """Check a request as far as it goes without I/O; see :func:`oarepo_s3.uploads.claiming.plan_of`."""
        return plan_of(self.context, request)

    def open(self, request: OpenRequest) -> Opened:
        """Open an upload; see :meth:`oarepo_s3.uploads.opening.Opener.open`."""
        return self._opener.open(request)

    def open_inside(self, request: OpenRequest, version: ObjectVersion, file: FileInstance, uri: str) -> Upload:
        """Open an upload in the caller's transaction; see :mod:`oarepo_s3.uploads.opening_inside`."""
        return self._inside.open(request, version, file, uri)

    def complete_inside(self, file_id: uuid.UUID) -> Upload:
        """Complete the upload of a file in the caller's transaction; see :mod:`oarepo_s3.uploads.ending_inside`."""
        return self._inside_ender.complete(self.of_file(file_id))

    def abort_inside(self, file_id: uuid.UUID) -> None:
        """Abort the upload of a file when the caller commits; see :mod:`oarepo_s3.uploads.ending_inside`."""
        self._inside_ender.abort(self.of_file(file_id))

    def claim_within(self, request: OpenRequest) -> Opened:
        """Claim the key for an upload in the caller's transaction; see :meth:`.opening.Opener.claim_within`."""
        return self._opener.claim_within(db.session, request)

    def open_claimed(self, upload: Upload, actor: str | None = None) -> Upload:
        """Let the store open what was claimed, now that the caller has committed.

        :raises StoreError: the store did not open it.
        """
        if upload.state is not State.OPENING:
            return upload
        sessions.end_reading()
        return self._opener.create_at_store(upload, actor)

    def abandon(self, uploads: Sequence[Upload]) -> None:
        """Take back what was claimed together; see :meth:`oarepo_s3.uploads.aborting.Aborter.abandon`."""
        self._aborter.abandon(uploads)

    def abort_with_files(self, file_ids: sa.Select[Any]) -> int:
        """Abort uploads as the records of their files are deleted; see :mod:`oarepo_s3.uploads.ending_inside`."""
        return self._inside_ender.abort_with_files(db.session, file_ids)

    def owe(self, upload: Upload) -> None:
        """Note what a broker that is down leaves undone for a completed file; reconciling catches it up."""
        with sessions.transaction() as session:
            sessions.owe(session, upload)

    def urls(self, upload: Upload, count: int | None = None) -> tuple[Mapping[int, str], datetime]:
        """(number -> URL, when they cease to work) of the first ``count`` parts, or of all.

        :raises Gone: it can no longer be used.
        """
        signer, plan = self._signer(upload), upload.plan
        pinned = self.context.rules.pin_content_length and not upload.free_plan
        numbers = range(1, min(plan.parts_count, count or plan.parts_count) + 1)
        return signer.urls(numbers, content_length_of=plan.size_of if pinned else None), signer.expires_at

    def sign(
        self, upload: Upload, numbers: Iterable[int] | None = None, content_md5: Mapping[int, str] | None = None
    ) -> list[SignedPart]:
        """URLs to put parts to, of the first parts unless others are asked for; none of an upload in one put.

        :param content_md5: number -> base64 of the part's MD5, to be signed into its URL.
        :raises InvalidPartNumber: the upload has no such part.
        :raises Gone: it can no longer be used.
        """
        if upload.is_one_put:
            self._check_usable(upload)
            return []
        signer, rules = self._signer(upload), self.context.rules
        pinned = rules.pin_content_length and not upload.free_plan
        chosen = first_numbers(upload, rules.urls_per_answer) if numbers is None else numbers
        sizes = {number: upload.plan.size_of(number) for number in chosen}
        md5 = content_md5 or {}
        return [
            SignedPart(
                number,
                signer.url(number, content_length=size if pinned else None, content_md5=md5.get(number)),
                signer.expires_at,
            )
            for number, size in sizes.items()
        ]

    def _signer(self, upload: Upload) -> PartSigner:
        self._check_usable(upload)
        return self.context.presigner.upload(
            s3_bucket=self.context.wire_bucket(upload.s3_bucket),
            key=upload.s3_key,
            upload_id=upload.s3_upload_id or "",
            expires_in=self.context.rules.url_expiration,
            not_after=upload.expires_at,
        )

    def sign_put(self, upload: Upload) -> SignedPut | None:
        """The URL of an upload in one put, None for those in parts.

        :raises Gone: it can no longer be used.
        """
        if not upload.is_one_put:
            return None
        self._check_usable(upload)
        return sign_put(self.context, upload)

    def session(self, upload: Upload, numbers: Iterable[int] | None = None, **urls: str | None) -> dict[str, Any]:
        """All that an uploader needs; see :func:`oarepo_s3.uploads.description.session_of`."""
        put = self.sign_put(upload)
        session = session_of(upload, self.sign(upload, numbers), urls)
        return session if put is None else {**session, "put": put.as_dict()}

    def parts(self, upload: Upload) -> PartsReport:
        """What has arrived, as the store lists it; nothing for an upload that has ended.

        :raises StoreError: the store could not be asked.
        """
        return report_of(self.context, upload)

    def use_free_plan(self, upload: Upload) -> Upload:
        """Let the client choose the sizes of the parts itself; they are checked at completion only.

        :raises InvalidPlan: the upload has no parts.
        :raises Gone: it can no longer be used.
        """
        self._check_usable(upload)
        if upload.is_one_put:
            raise InvalidPlan("The file of this upload goes in one put, not in parts.")
        if upload.free_plan:
            return upload
        limits = self.context.limits
        try:
            with sessions.transaction() as session:
                return sessions.update(session, upload, free_plan=True, parts_count=limits.max_parts)
        except sessions.Superseded:
            return self.use_free_plan(self._completer.current(upload))

    def complete(self, upload: Upload, claimed: Mapping[int, str] | None = None, actor: str | None = None) -> Upload:
        """Complete an upload; see :meth:`oarepo_s3.uploads.completing.Completer.complete`."""
        return self._completer.complete(upload, claimed, actor)

    def abort(self, upload: Upload, actor: str | None = None, reason: str | None = None) -> Upload:
        """Abort an upload; see :meth:`oarepo_s3.uploads.aborting.Aborter.abort`."""
        if upload.state is State.COMPLETING:
            try:
                upload = self._completer.settle(upload)
            except Gone:  # settling has ended it without a file, as was asked for
                upload = self._completer.current(upload)
        return self._aborter.abort(upload, actor, reason)

    def abort_file(self, file_id: uuid.UUID, reason: str) -> bool:
        """Abort the upload that is to bring a file; whether there was one that had not ended.

        Looks in the caller's transaction, as a storage also deletes what a failed one has left.
        """
        with db.session.no_autoflush:
            upload = sessions.get_of_file(db.session, file_id)
        if upload is None or upload.active_slot is None:
            return False
        self.abort(upload, None, reason)
        return True

    def expire_bucket(self, session: sessions.AnySession, bucket_id: uuid.UUID) -> int:
        """Let the pending uploads of a bucket expire, in the caller's transaction, as the record goes away."""
        return sessions.expire_in_bucket(session, bucket_id, self.context.clock())

    def sweep(self) -> SweepReport:
        """End the uploads whose time is over; see :meth:`oarepo_s3.uploads.sweeping.Sweeper.sweep`."""
        return self._sweeper.sweep()

    def reconcile(self, *, dry_run: bool = False, s3_buckets: Iterable[str] = ()) -> ReconcileReport:
        """Settle interrupted uploads; see :meth:`oarepo_s3.uploads.reconciling.Reconciler.reconcile`."""
        return self._reconciler.reconcile(dry_run=dry_run, s3_buckets=s3_buckets)

    def check_sizes(self, bucket_id: uuid.UUID | None = None) -> Iterator[quota.BucketSize]:
        """Recompute the sizes of buckets; see :func:`oarepo_s3.uploads.quota.check_sizes`."""
        return quota.check_sizes(bucket_id)

    def repair_size(self, bucket_id: uuid.UUID) -> quota.BucketSize | None:
        """Write the recomputed size of a bucket; see :func:`oarepo_s3.uploads.quota.repair_size`."""
        return quota.repair_size(bucket_id)

    def report_sizes(self, bucket_id: uuid.UUID | None = None, *, repair: bool = False) -> quota.SizesReport:
        """Recompute and perhaps repair the sizes; see :func:`oarepo_s3.uploads.quota.report_sizes`."""
        return quota.report_sizes(bucket_id, repair=repair)

    def _check_usable(self, upload: Upload) -> None:
        if upload.state is not State.OPEN:
            raise ended(upload)
        if upload.expires_at <= self.context.clock():
            raise UploadExpired("The upload has expired.", expired_at=upload.expires_at.isoformat())

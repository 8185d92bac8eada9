# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The use cases of an upload: the one narrow door that every face goes through.

Every method asks the store outside of any transaction. None may be called with unsaved work in the database session,
except :meth:`UploadService.open_inside`, which is for callers that hold a transaction.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from invenio_db import db
from invenio_files_rest.models import FileInstance, ObjectVersion

from ..errors import Gone, StoreUploadGone, UploadExpired, UploadNotFound
from . import quota, sessions
from .aborting import Aborter
from .completing import Completer
from .context import Context
from .description import PartsReport, SignedPart, ended, first_numbers, session_of
from .ending_inside import InsideEnder
from .models import Upload, slot_of
from .opening import Opened, Opener, OpenRequest
from .opening_inside import InsideOpener
from .reconciling import Reconciler, ReconcileReport
from .states import State
from .sweeping import Sweeper, SweepReport


class UploadService:
    """Open, sign, list, complete, abort, expire and reconcile uploads."""

    def __init__(self, context: Context) -> None:
        """Work with this store, signer, clock and adapters."""
        self.context = context
        self._aborter = Aborter(context)
        self._completer = Completer(context, self._aborter)
        self._opener = Opener(context, self._aborter)
        self._inside = InsideOpener(context, self._opener, self._aborter)
        self._inside_ender = InsideEnder(context, self._aborter, self._completer)
        self._sweeper = Sweeper(context, self._aborter)
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

    def pending(self, bucket_id: uuid.UUID) -> Sequence[Upload]:
        """The uploads of a bucket that have not ended, oldest first."""
        with sessions.transaction() as session:
            return sessions.pending_in_bucket(session, bucket_id)

    # the life ---------------------------------------------------------------------------------------------------------

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

    def sign(
        self, upload: Upload, numbers: Iterable[int] | None = None, content_md5: Mapping[int, str] | None = None
    ) -> list[SignedPart]:
        """URLs to put parts to, of the first parts unless others are asked for.

        :param content_md5: number -> base64 of the part's MD5, to be signed into its URL.
        :raises InvalidPartNumber: the upload has no such part.
        :raises Gone: it can no longer be used.
        """
        self._check_usable(upload)
        rules, presigner = self.context.rules, self.context.presigner
        signer = presigner.upload(
            s3_bucket=self.context.wire_bucket(upload.s3_bucket),
            key=upload.s3_key,
            upload_id=upload.s3_upload_id or "",
            expires_in=rules.url_expiration,
            not_after=upload.expires_at,
        )
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

    def session(self, upload: Upload, numbers: Iterable[int] | None = None, **urls: str | None) -> dict[str, Any]:
        """All that an uploader needs; see :func:`oarepo_s3.uploads.description.session_of`."""
        return session_of(upload, self.sign(upload, numbers), urls)

    def parts(self, upload: Upload) -> PartsReport:
        """What has arrived, as the store lists it; nothing for an upload that has ended.

        :raises StoreError: the store could not be asked.
        """
        parts = []
        if upload.state in (State.OPEN, State.COMPLETING) and upload.s3_upload_id is not None:
            try:
                parts = self.context.store.list_parts(upload.s3_bucket, upload.s3_key, upload.s3_upload_id)
            except StoreUploadGone:
                parts = []
        missing = [] if upload.free_plan else upload.plan.missing(part.number for part in parts)
        return PartsReport(upload, parts, missing if upload.state is not State.COMPLETED else [])

    def use_free_plan(self, upload: Upload) -> Upload:
        """Let the client choose the sizes of the parts itself; they are checked at completion only.

        :raises Gone: it can no longer be used.
        """
        self._check_usable(upload)
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
